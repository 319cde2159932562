"""`python -m server`."""

from server import main

if __name__ == "__main__":  # each process of several is spawned with this module as its main one
    main()
