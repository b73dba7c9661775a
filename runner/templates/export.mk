# make          builds case.elf, with GNU binutils or, where they are missing, LLVM's
# make run      runs it: the last line says PASS or FAIL
# make run QEMU=/path/to/qemu-system-aarch64 CPU=cortex-a710

CROSS ?= aarch64-linux-gnu-
QEMU  ?= qemu-system-aarch64
CPU   ?= max

ifneq ($(shell command -v $(CROSS)as),)
AS := $(CROSS)as
LD := $(CROSS)ld
else
AS := clang --target=aarch64-none-elf -c -x assembler
LD := ld.lld
endif

case.elf: case.o
	$(LD) -Ttext=0x40200000 -e _start -o $@ $<

case.o: case.S
	$(AS) -o $@ $<

.PHONY: run clean
run: case.elf
	$(QEMU) -M virt,virtualization=on,gic-version=3 -cpu $(CPU) -m 3G -nodefaults -display none -serial stdio -no-reboot -kernel case.elf

clean:
	rm -f case.o case.elf
