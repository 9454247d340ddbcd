"""One boot of a guest under qemu, without hardware support, and what it said on its console."""
import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Optional

MARK = "\x1etcpdwell "
# What a processor has for speed, or against attacks, and what costs most when it is emulated: each
# step of a `rep movsb` is one, the fences around user memory end what was translated.
SLOW = "erms=off,fsrm=off,smap=off,smep=off,la57=off"
ARCHITECTURES = {
    "amd64": ["qemu-system-x86_64", "-M", "q35", "-cpu", f"max,{SLOW}"],
    "arm64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57"],
}
CONSOLES = {"amd64": "ttyS0", "arm64": "ttyAMA0"}
# A kernel calibrates its local APIC by 100 ms of PAUSE, 5 s for an emulator that counts
# instructions. One CPU does as well with the HPET's interrupts.
ONE_CPU = {"amd64": "nolapic_timer", "arm64": ""}
# Whose clock counts instructions can wait; a guest in real time cannot.
NICE = ["nice", "-n", "5"]


@dataclass
class Boot:
    """What one boot brought to light."""
    messages: list = field(default_factory=list)
    seconds: float = 0.0
    timed_out: bool = False
    log: str = ""  # the file with all that the console said

    def said(self, key) -> Optional[dict]:
        return next((message for message in self.messages if key in message), None)

    @property
    def tests(self):
        return [message for message in self.messages if "test" in message]


def boot(arch, kernel_image, initramfs, log, *, cpus=1, append="", timeout_s=600, memory_mb=1536):
    """Boots and waits until the guest powers itself off, or for `timeout_s`.

    With one CPU the guest's clock counts instructions, and skips over the time in which it is idle:
    a minute of TIME_WAIT takes as long as there is work to do meanwhile. With more, it is real.
    """
    clock = ["-icount", "shift=0,sleep=off"] if cpus == 1 else ["-smp", str(cpus)]
    accelerator = f"tcg,tb-size=512,thread={'single' if cpus == 1 else 'multi'}"
    append = f"{append} {ONE_CPU[arch] if cpus == 1 else ''}".strip()
    command = [*(NICE if cpus == 1 else ()), *ARCHITECTURES[arch], "-accel", accelerator, "-m", str(memory_mb), *clock,
               "-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none",
               "-no-reboot", "-kernel", kernel_image, "-initrd", initramfs, "-append",
               f"console={CONSOLES[arch]} panic=-1 quiet loglevel=1 {append}".strip()]
    result, began = Boot(log=log), time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)

    def give_up():
        result.timed_out = True
        process.kill()

    timer = threading.Timer(timeout_s, give_up)
    timer.start()
    try:
        with open(log, "wb", buffering=0) as file:  # it is read while the guest runs, or hangs
            for line in process.stdout:
                file.write(line)
                _hear(line.decode("utf-8", "replace"), result.messages, time.monotonic() - began)
        process.wait()
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
    result.seconds = time.monotonic() - began
    return result


def _hear(line, messages, at_s):
    """A line that ends before its time is half a message: it stays in the log."""
    _, mark, text = line.partition(MARK)
    if mark:
        try:
            messages.append({**json.loads(text), "at_s": at_s})
        except ValueError:
            pass


def join(parts, into):
    """One initramfs of several cpio archives: the kernel unpacks one after the other."""
    with open(into, "wb") as file:
        for part in parts:
            with open(part, "rb") as archive:
                while block := archive.read(1 << 20):
                    file.write(block)
            file.write(bytes(-os.fstat(file.fileno()).st_size % 512))
