#!/usr/bin/env bash
# Builds, scans and pushes the images of one version: `infra/image.sh build|scan|push VERSION [REGISTRY…]`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scanner=docker.io/aquasec/trivy:0.67.2
action=${1:?build, scan or push}
version=${2:?which version}
shift 2
images=("server dozen" "functions dozen-functions") # a target of the Dockerfile, and the name of its image

build() { # a target, a name
    docker build --target "$1" --tag "$2:$version" \
        --build-arg VERSION="$version" --build-arg REVISION="$(git rev-parse HEAD)" .
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
build | scan | push)
    for image in "${images[@]}"; do
        "$action" ${image}
    done
    ;;
*)
    echo "$action is neither build, scan nor push" >&2
    exit 2
    ;;
esac
