#!/usr/bin/env bash
# Builds, tries, scans and pushes the images of one version: `infra/image.sh build|smoke|scan|push VERSION [REGISTRY…]`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scanner=docker.io/aquasec/trivy:0.67.2
action=${1:?build, smoke, scan or push}
version=${2:?which version}
shift 2
images=("server dozen" "functions dozen-functions") # a target of the Dockerfile, and the name of its image

build() { # a target, a name
    docker build --target "$1" --tag "$2:$version" \
        --build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD)" .
}

smoke() { # started as a deployment would, on the MongoDB of infra/with_mongo.sh
    local container code
    local common=(--network host --cap-drop ALL --env MONGO_DB_URI="$TEST_MONGO_DB_URI" --env LISTEN_PORT=7171)
    if [[ $1 == server ]]; then
        common+=(--read-only)
    fi
    docker run --rm "${common[@]}" "$2:$version" admin keys list
    container=$(docker run --detach "${common[@]}" "$2:$version")
    .venv/bin/python -m infra.smoke http://127.0.0.1:7171 --patience 120 || { docker logs "$container"; exit 1; }
    docker stop --time 60 "$container" >/dev/null
    code=$(docker inspect --format '{{.State.ExitCode}}' "$container")
    docker rm "$container" >/dev/null
    [[ $code == 0 ]] || { echo "$2 ended with exit code $code" >&2; exit 1; }
}

scan() { # holes that an update of the base or of a package would close
    docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock "$scanner" \
        image --exit-code 1 --ignore-unfixed --severity HIGH,CRITICAL "$2:$version"
}

push() {
    local registry
    for registry in "${registries[@]}"; do
        docker tag "$2:$version" "$registry/$2:$version"
        docker push "$registry/$2:$version"
    done
}

registries=("$@")
if [[ $action == push && ${#registries[@]} -eq 0 ]]; then
    echo "push needs registries: REGISTRIES=\"one.azurecr.io docker.io/me\"" >&2
    exit 2
fi
case $action in
build | smoke | scan | push)
    for image in "${images[@]}"; do
        "$action" ${image}
    done
    ;;
*)
    echo "$action is neither build, smoke, scan nor push" >&2
    exit 2
    ;;
esac
