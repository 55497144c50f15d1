# shellcheck shell=bash disable=SC2034
# What up, down and login share: where the cluster's state lies and what its parts are called. To be sourced.
#   DIPTYCH_CLUSTER=DIR   the state lies in a folder there, and the cluster is another one beside the first

local_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
# Two clones have two clusters: every name on the machine is made from the clone's place.
mark=$(printf '%s' "$(realpath -m -- "${DIPTYCH_CLUSTER:-$local_folder}")" | sha256sum | cut -c 1-6)
# Unix sockets lie in it, whose paths must be short. Always a folder of its own: down removes it.
state=$(realpath -m -- "${DIPTYCH_CLUSTER:-/run}")/diptych-cluster-$mark
bridge=dip$mark
network=10.$((16#${mark:0:2})).$((16#${mark:2:2}))
login_address=$network.254
configuration=$state/slurm.conf

say() { printf 'cluster: %s\n' "$*"; }
fail() {
    printf 'cluster: %s\n' "$*" >&2
    exit "${code:-74}"
}

# The network namespace of node NUMBER.
space() { printf 'dip%s-n%s' "$mark" "$1"; }

# How many nodes the cluster that is up has; nothing when there is none.
node_count() { cat "$state/nodes" 2>/dev/null || true; }

# Whether the process in a pid file lives and is the program it should be; a number may have been given away since.
lives() {
    local process name
    process=$(cat "$1" 2>/dev/null) || return 1
    name=$(cat "/proc/$process/comm" 2>/dev/null) || return 1
    # One that has ended is listed until its parent has asked for its code.
    [ "$name" = "$2" ] && ! grep -q '^State:.Z' "/proc/$process/status" 2>/dev/null
}
