#!/bin/sh
# What a container runs: the service, or `admin …`, a one-off process of the same release.
# Every way ends in exec, so that the process itself is number 1 and gets the signal to stop.
set -eu

host=/azure-functions-host/Microsoft.Azure.WebJobs.Script.WebHost

case "${1:-serve}" in
serve)
    if [ -x "$host" ]; then
        export ASPNETCORE_URLS="http://+:${LISTEN_PORT:-7071}"
        exec "$host"
    fi
    exec python -m server
    ;;
admin)
    shift
    exec dozen "$@"
    ;;
*)
    exec "$@"
    ;;
esac
