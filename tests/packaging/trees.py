# SPDX-License-Identifier: Apache-2.0
"""Root trees of Debian, and virtual machines that boot them."""
import pathlib
import shutil
import subprocess

PACKAGES = ["systemd-sysv", "dbus", "udev", "python3", "man-db", "rpm", "linux-image-cloud-amd64", "initramfs-tools"]
BOOT_S = 1800  # some ten times what it takes
# As in tests/vm/machine.py: what costs most when it is emulated. KVM is not there in many virtual machines.
SLOW = "erms=off,fsrm=off,smap=off,smep=off,la57=off"


class Tree:
    def __init__(self, directory):
        self.root = pathlib.Path(directory)

    @classmethod
    def make(cls, suite, directory):
        done = subprocess.run(["mmdebstrap", "--variant=apt", f"--include={','.join(PACKAGES)}", suite, directory],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return cls(directory)

    def run(self, *command, check=True):
        done = subprocess.run(["chroot", self.root, *command], capture_output=True, text=True, check=False,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                                   "DEBIAN_FRONTEND": "noninteractive"})
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def files_of(self, name):
        """Files with this name in their path, but for the package manager's own."""
        found = {str(path.relative_to(self.root)) for top in ("etc", "usr", "var", "run") for path
                 in (self.root / top).rglob(f"*{name}*")}
        return {path for path in found if not path.startswith(("var/lib/dpkg/", "var/cache/", "var/log/"))}

    def boot(self, scratch, files, command):
        """Boots a copy with these files in /root ({name: path}), runs the command there as root, and returns
        what it printed and its status. The tree stays as it was."""
        copy, disk = scratch / "copy", scratch / "disk"
        subprocess.run(["cp", "-a", self.root, copy], check=True)
        for name, path in files.items():
            shutil.copy(path, copy / "root" / name)
        (copy / "etc/systemd/system/guest.service").write_text(
            "[Unit]\nAfter=multi-user.target\n[Service]\nType=idle\nStandardOutput=null\n"
            f"ExecStart=/bin/sh -c '{{ {command}; echo \"guest: status $?\"; }} >/dev/ttyS1 2>&1; "
            "systemctl poweroff --force'\n")
        wants = copy / "etc/systemd/system/default.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / "guest.service").symlink_to("/etc/systemd/system/guest.service")
        (copy / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", copy, disk, "3G"], check=True)
        kernel, = copy.glob("boot/vmlinuz-*")
        initrd, = copy.glob("boot/initrd.img-*")
        said = scratch / "said"
        subprocess.run(
            ["qemu-system-x86_64", "-M", "q35", "-cpu", f"max,{SLOW}", "-accel", "tcg,tb-size=512,thread=multi", "-smp",
             "2", "-m", "1024", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none",
             "-kernel", kernel, "-initrd", initrd, "-append", "root=/dev/vda rw console=ttyS0 quiet",
             "-drive", f"file={disk},format=raw,if=virtio,cache=unsafe", "-serial", f"file:{scratch / 'console'}",
             "-serial", f"file:{said}"], check=True, timeout=BOOT_S)
        shutil.rmtree(copy)
        disk.unlink()
        text = said.read_text(errors="replace").replace("\r", "")
        body, mark, status = text.rpartition("guest: status ")
        assert mark, (scratch / "console").read_text(errors="replace")[-3000:] + text
        return body, int(status)
