# Multiboot entry: the loader leaves 32-bit protected mode without interrupts.
        .set MAGIC, 0x1badb002
        .set FLAGS, 0

        .section .multiboot, "a"
        .align 4
        .long MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .globl start
start:  mov     $stack_top, %esp
        cld
        call    guest_main

        .bss
        .align 16
        .skip 16384
stack_top:
