# The first process of a host: it has namespaces of its own for network, processes, mounts and name.
# Arguments: the host's folder, and the folders of the other hosts, which must not be seen from here.
set -euo pipefail
mine="$1"
shift
mount --make-rprivate /
for other in "$@"; do
    mount -t tmpfs -o size=4k elsewhere "$other"
done
mount --bind "$mine/passwd" /etc/passwd
mount --bind "$mine/shadow" /etc/shadow
mount -t tmpfs -o size=2g own /dev/shm
mount -t tmpfs own /run
mkdir -p "$mine/tmp" /run/sshd
mount --bind "$mine/tmp" /tmp
hostname "${mine##*/}"
ip link set lo up
cd "$mine/home"
if [ -f "$mine/sshd_config" ]; then
    # Debian's path; sshd wants an absolute one.
    "$(command -v sshd)" -f "$mine/sshd_config" -E "$mine/sshd.log"
fi
echo ready
# bash reaps what is orphaned here. It ends, and all processes of the host with it, when the test's
# process does: that one holds the other end.
read -r _ || true
