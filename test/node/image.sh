#!/bin/sh
# Makes what the node boots from, once: image.sh SUITE DIRECTORY gives SUITE.img, SUITE.vmlinuz, SUITE.initrd and the key `id` there.
# systemd as PID 1, pure cgroup v2, Debian's containerd with runc's systemd driver and Node; nothing of the bridge.
# The mirror is that of the machine's apt. Its own keys may be older than the suite, so that mmdebstrap checks no signature.
set -eu
suite=$1 directory=$2 root=$2/$1.root
mirror=$(sed -n 's/^URIs: //p;s/^deb \(http[^ ]*\).*/\1/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1)
packages=systemd,systemd-sysv,udev,dbus,init,kmod,iproute2,openssh-server,procps,jq,util-linux,linux-image-cloud-amd64,initramfs-tools,zstd
packages=$packages,containerd,runc,containernetworking-plugins,nodejs,busybox-static
mkdir -p "$directory"
rm -rf "$root"
mmdebstrap --mode=root --variant=minbase --format=directory --include="$packages" \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  "$suite" "$root" "deb [trusted=yes] $mirror $suite main"

[ -f "$directory/id" ] || ssh-keygen -q -t ed25519 -N '' -f "$directory/id"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$directory/id.pub" "$root/root/.ssh/authorized_keys"
echo node >"$root/etc/hostname"
echo '127.0.0.1 localhost node' >"$root/etc/hosts"
echo '/dev/vda / ext4 rw 0 1' >"$root/etc/fstab"
: >"$root/etc/machine-id"
printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/10-all.network"
ln -sf /usr/lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer systemd-networkd-wait-online.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# The journal outlives a reboot.
mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nStorage=persistent\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf.d/node.conf"
printf 'UseDNS no\nUsePAM no\n' >"$root/etc/ssh/sshd_config.d/node.conf"
# The default configuration with what the node's tests need; emulated, nothing is done within the 2 s of NRI's default.
mkdir -p "$root/etc/containerd"
chroot "$root" containerd config default |
  sed -e 's/SystemdCgroup = false/SystemdCgroup = true/' -e 's/disable_hugetlb_controller = true/disable_hugetlb_controller = false/' \
    -e "s|^\( *sandbox = \)'.*|\1'localhost/busybox:test'|" \
    -e "s/^\( *plugin_re[a-z]*_timeout = \)'.*/\1'60s'/" >"$root/etc/containerd/config.toml"

cp "$root"/boot/vmlinuz-* "$directory/$suite.vmlinuz"
cp "$root"/boot/initrd.img-* "$directory/$suite.initrd"
cp "$root/usr/bin/busybox" "$directory/busybox"
rm -f "$directory/$suite.new"
truncate -s 6G "$directory/$suite.new"
mkfs.ext4 -q -F -d "$root" -L root "$directory/$suite.new"
rm -rf "$root"
mv "$directory/$suite.new" "$directory/$suite.img"
