"""`export` and `import`: collections to files of lines and back, over kills."""
