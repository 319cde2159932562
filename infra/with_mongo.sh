#!/usr/bin/env bash
# Runs a command with the MongoDB of an official image: `infra/with_mongo.sh 8 make test`.
# Its container is the replica set at TEST_MONGO_DB_URI; its mongod goes on the PATH too, for the tests that start,
# stop and kill one of their own.
set -euo pipefail

version=${1:?which version: 7 or 8}
shift
port=27117
folder=$(mktemp -d)
container=$(docker run --detach --rm --network host "mongo:$version" \
    --replSet rs0 --port $port --bind_ip 127.0.0.1 --setParameter enableTestCommands=1)
trap 'docker stop "$container" >/dev/null; rm -rf "$folder"' EXIT

docker cp --quiet "$container:/usr/bin/mongod" "$folder/mongod"
"$folder/mongod" --version # here and not in a test, if a library is missing

evaluate() { docker exec "$container" mongosh --quiet --port $port --eval "$1"; }
for _ in $(seq 60); do
    if evaluate "try { rs.status() } catch { rs.initiate({ _id: 'rs0', members: [{ _id: 0, host: '127.0.0.1:$port' }] }) }
            quit(db.hello().isWritablePrimary ? 0 : 1)" >/dev/null 2>&1; then
        ready=yes
        break
    fi
    sleep 1
done
: "${ready:?mongo:$version did not become a primary}"

PATH="$folder:$PATH" TEST_MONGO_DB_URI="mongodb://127.0.0.1:$port/?replicaSet=rs0" "$@"
