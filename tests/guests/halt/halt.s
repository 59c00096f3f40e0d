# A guest that counts as running and burns no processor: for tests with many VMs.
        .set MAGIC, 0x1badb002

        .text
        .align 4
        .long MAGIC, 0, -MAGIC

        .globl start
start:  cli
        hlt
        jmp     start
