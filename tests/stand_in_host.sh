#!/bin/sh
# Stands in for Azure's Functions host in tests/image.py: says what it was told, and ends at SIGTERM as the host does.
echo "serving $ASPNETCORE_URLS as $(id -u)"
trap 'echo stopped; exit 0' TERM
while :; do sleep 0.1; done
