# The guest of the recordings: handlers of exceptions, then the sequences whose exits are counted.
#
# `@ MODE [SETTING...]: TEXT` begins a sequence: the mode in which it starts (long, protected, real), what user space
# prepares (irqchip, ioeventfd, dirty-log, interrupts, huge), and the words by which recordings name it. Counting goes
# from `begin` to `finish`; `begin` first touches what exceptions and changes of ring need. Registers of the handlers:
# r15 says how many bytes of a faulting instruction to leave out, r14 and r13 the frame that the handler of page faults
# maps and how far that moves on, r12 where ring 3 comes back to.

code 64
align 16
h_skip:
    add [rsp], r15; iretq
align 16
h_skip_err:
    add rsp, 8; add [rsp], r15; iretq
align 16
h_iret:
    iretq
align 16
h_db:
    and qword ptr [rsp + 16], -0x101; iretq
align 16
h_pf:
    push rax; push rbx; mov rax, cr2; shr rax, 12; and rax, 511; mov rbx, r14; or rbx, 7; mov [0x7000 + rax*8], rbx; add r14, r13; pop rbx; pop rax; add rsp, 8; iretq
align 16
h_user_back:
    add rsp, 40; jmp r12
align 16
h_syscall:
    sysretq
h_ret:
    ret
code 16
h_ret16:
    ret
code 64

@ long: nop
    begin
    repeat 16: nop
    finish

@ long: add to a warm memory word
    add qword ptr [0x100000], 1
    begin
    repeat 16: add qword ptr [0x100000], 1
    finish

@ long: pushfq; popfq
    pushfq; popfq
    begin
    repeat 16: pushfq; popfq
    finish

@ long: cli; sti; cli
    begin
    repeat 16: cli; sti; cli
    finish

@ long: popfq setting and clearing IF
    mov rcx, 0x10000
    begin
    repeat 16: push 0x202; popfq; push 0x2; popfq
    finish

@ long: sgdt
    sgdt [0x100000]
    begin
    repeat 16: sgdt [0x100000]
    finish

@ long: sidt
    sidt [0x100000]
    begin
    repeat 16: sidt [0x100000]
    finish

@ long: str; sldt; smsw
    begin
    repeat 16: str rax; sldt rax; smsw rax
    finish

@ long: lgdt (same table)
    sgdt [0x100000]
    begin
    repeat 16: lgdt [0x100000]
    finish

@ long: lidt (same table)
    sidt [0x100000]
    begin
    repeat 16: lidt [0x100000]
    finish

@ long: ltr (descriptor made available again)
    begin
    repeat 16: mov byte ptr [0x8035], 0x89; mov ax, 0x30; ltr ax
    finish

@ long: mov ds, ax
    begin
    repeat 16: mov ax, 0x10; mov ds, ax
    finish

@ long: swapgs
    begin
    repeat 16: swapgs
    finish

@ long: int 0x80 and iretq in ring 0
    int 0x80
    begin
    repeat 16: int 0x80
    finish

@ long: syscall from ring 3 and sysretq
    mov r12, outside; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax
    begin
    iretq
  inside:
    repeat 16: syscall
    int 0x81
  outside:
    finish

@ long: int 0x80 from ring 3 and iretq back
    mov r12, outside; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax
    begin
    iretq
  inside:
    repeat 16: int 0x80
    int 0x81
  outside:
    finish

@ long: cpuid in ring 3
    mov r12, outside; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax
    begin
    iretq
  inside:
    repeat 16: xor eax, eax; cpuid
    int 0x81
  outside:
    finish

@ long: cli in ring 3 (guest takes #GP)
    mov r12, outside; mov r15, 1; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax
    begin
    iretq
  inside:
    repeat 16: cli
    int 0x81
  outside:
    finish

@ long: hlt in ring 3 (guest takes #GP)
    mov r12, outside; mov r15, 1; push 0x23; push 0xe000; push 0x2; push 0x2b; mov rax, inside; push rax
    begin
    iretq
  inside:
    repeat 16: hlt
    int 0x81
  outside:
    finish

@ long: ud2 (guest takes #UD)
    mov r15, 2
    begin
    repeat 16: ud2
    finish

@ long: load of a bad selector (guest takes #GP)
    mov r15, 2; mov eax, 0x1000
    begin
    repeat 16: mov ds, eax
    finish

@ long: division by zero (guest takes #DE)
    mov r15, 2; xor ecx, ecx
    begin
    repeat 16: div ecx
    finish

@ long: int3 (guest takes #BP)
    begin
    repeat 16: int3
    finish

@ long: one single step by TF (guest takes #DB)
    begin
    repeat 16: pushfq; or qword ptr [rsp], 0x100; popfq; nop
    finish

@ long: fninit with CR0.TS set (guest takes #NM, handler skips)
    mov r15, 2; mov rax, cr0; or rax, 8; mov cr0, rax
    begin
    repeat 16: fninit
    finish

@ long: cpuid
    begin
    repeat 16: xor eax, eax; cpuid
    finish

@ long: vmmcall (unknown hypercall number)
    begin
    repeat 16: mov eax, 99; vmmcall
    finish

@ long: hlt, no interrupt chip in the kernel
    begin
    repeat 16: hlt
    finish

@ long: in al, 0x60
    begin
    repeat 16: in al, 0x60
    finish

@ long: out 0x60, al
    begin
    repeat 16: out 0x60, al
    finish

@ long: out dx, eax
    mov dx, 0x560
    begin
    repeat 16: out dx, eax
    finish

@ long: rep outsb of 8 bytes
    mov dx, 0x560; add qword ptr [0x100000], 0
    begin
    repeat 16: mov rsi, 0x100000; mov ecx, 8; rep outsb
    finish

@ long: rep insb of 8 bytes
    mov dx, 0x560; add qword ptr [0x100000], 0
    begin
    repeat 16: mov rdi, 0x100000; mov ecx, 8; rep insb
    finish

@ long ioeventfd: out to a port with an ioeventfd (virtio kick)
    mov dx, 0x570
    begin
    repeat 16: out dx, ax
    finish

@ long ioeventfd: mmio write to an address with an ioeventfd (virtio kick)
    mov rdi, 0x40001000; mov dword ptr [rdi], 1
    begin
    repeat 16: mov dword ptr [rdi], 1
    finish

@ long: rdtsc
    begin
    repeat 16: rdtsc
    finish

@ long: rdtscp
    begin
    repeat 16: rdtscp
    finish

@ long: rdpmc 0
    mov r15, 2; xor ecx, ecx
    begin
    repeat 16: rdpmc
    finish

@ long: pause
    begin
    repeat 16: pause
    finish

@ long: wbinvd
    begin
    repeat 16: wbinvd
    finish

@ long: invd
    begin
    repeat 16: invd
    finish

@ long: monitor; mwait
    mov rax, 0x100000; xor ecx, ecx; xor edx, edx; mov r15, 3
    begin
    repeat 16: monitor; mwait
    finish

@ long: vmrun without EFER.SVME (guest takes #UD)
    mov r15, 3; mov rax, 0x100000
    begin
    repeat 16: vmrun
    finish

@ long: xgetbv
    xor ecx, ecx
    begin
    repeat 16: xgetbv
    finish

@ long: xsetbv (same value)
    xor ecx, ecx; xgetbv
    begin
    repeat 16: xsetbv
    finish

@ long: mov rax, cr0
    begin
    repeat 16: mov rax, cr0
    finish

@ long: mov cr0, rax (same value)
    mov rax, cr0
    begin
    repeat 16: mov cr0, rax
    finish

@ long: mov cr0, rax (TS toggled)
    mov rax, cr0
    begin
    repeat 16: xor rax, 8; mov cr0, rax
    finish

@ long: mov cr0, rax (WP toggled)
    mov rax, cr0
    begin
    repeat 16: xor rax, 0x10000; mov cr0, rax
    finish

@ long: lmsw (same value)
    smsw rax
    begin
    repeat 16: lmsw ax
    finish

@ long: clts
    begin
    repeat 16: clts
    finish

@ long: mov rax, cr2; mov cr2, rax
    begin
    repeat 16: mov rax, cr2; mov cr2, rax
    finish

@ long: mov rax, cr3
    begin
    repeat 16: mov rax, cr3
    finish

@ long: mov cr3, rax (same value: TLB flush)
    mov rax, cr3
    begin
    repeat 16: mov cr3, rax
    finish

@ long: mov cr3, rax between two address spaces, one warm touch after each
    mov rax, 0x1000; mov rbx, 0xa000; mov cr3, rbx; add qword ptr [0x100000], 1; mov cr3, rax; add qword ptr [0x100000], 1
    begin
    repeat 8: mov cr3, rbx; add qword ptr [0x100000], 1; mov cr3, rax; add qword ptr [0x100000], 1
    finish

@ long: mov rax, cr4
    begin
    repeat 16: mov rax, cr4
    finish

@ long: mov cr4, rax (PGE toggled: global TLB flush)
    mov rax, cr4
    begin
    repeat 16: xor rax, 0x80; mov cr4, rax
    finish

@ long: mov rax, cr8
    begin
    repeat 16: mov rax, cr8
    finish

@ long: mov cr8, rax (changing)
    mov rax, 1
    begin
    repeat 16: xor rax, 3; mov cr8, rax
    finish

@ long: mov rax, dr7
    begin
    repeat 16: mov rax, dr7
    finish

@ long: mov dr7, rax (0x400)
    mov rax, 0x400
    begin
    repeat 16: mov dr7, rax
    finish

@ long: invlpg
    begin
    repeat 16: invlpg [0x100000]
    finish

@ long: invlpg then touch of the same warm page
    add qword ptr [0x100000], 1
    begin
    repeat 16: invlpg [0x100000]; add qword ptr [0x100000], 1
    finish

@ long: rdmsr EFER
    mov r15, 2; mov ecx, 0xc0000080
    begin
    repeat 16: rdmsr
    finish

@ long: wrmsr EFER (same value)
    mov r15, 2; mov ecx, 0xc0000080; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish

@ long: rdmsr STAR
    mov r15, 2; mov ecx, 0xc0000081
    begin
    repeat 16: rdmsr
    finish

@ long: wrmsr LSTAR
    mov r15, 2; mov ecx, 0xc0000082; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish

@ long: rdmsr FS_BASE
    mov r15, 2; mov ecx, 0xc0000100
    begin
    repeat 16: rdmsr
    finish

@ long: wrmsr FS_BASE
    mov r15, 2; mov ecx, 0xc0000100; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish

@ long: wrmsr KERNEL_GS_BASE
    mov r15, 2; mov ecx, 0xc0000102; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish

@ long: wrmsr SYSENTER_CS
    mov r15, 2; mov ecx, 0x174; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish

@ long: rdmsr TSC
    mov r15, 2; mov ecx, 0x10
    begin
    repeat 16: rdmsr
    finish

@ long: rdmsr APIC_BASE
    mov r15, 2; mov ecx, 0x1b
    begin
    repeat 16: rdmsr
    finish

@ long: rdmsr PAT
    mov r15, 2; mov ecx, 0x277
    begin
    repeat 16: rdmsr
    finish

@ long: wrmsr MISC_ENABLE (same value)
    mov r15, 2; mov ecx, 0x1a0; rdmsr; mov ebx, eax
    begin
    repeat 16: mov eax, ebx; wrmsr
    finish
@ long: rdmsr of an unknown register (guest takes #GP)
    mov r15, 2; mov ecx, 0x1234
    begin
    repeat 16: rdmsr
    finish

@ long: first read of 16 pages, mapped by the guest, never touched
    mov rdi, 0x200000
    begin
    repeat 16: mov rax, [rdi]; add rdi, 0x1000
    finish

@ long: first write of 16 pages, mapped by the guest, never touched
    mov rdi, 0x200000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: second write of the same 16 pages
    mov rdi, 0x200000
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    mov rdi, 0x200000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: write of 16 pages that were only read before
    mov rdi, 0x200000
    repeat 16: mov rax, [rdi]; add rdi, 0x1000
    mov rdi, 0x200000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long huge: first write of 16 pages, host backs them with a 2 MiB page
    mov rdi, 0x200000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: guest page fault, handler maps a warm frame, retry (16 pages)
    mov r14, 0x100000; mov r13, 0; add qword ptr [0x100000], 1; mov rdi, 0x40400000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: guest page fault, handler maps an untouched frame, retry (16 pages)
    mov r14, 0x200000; mov r13, 0x1000; mov rdi, 0x40400000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: guest writes 16 entries of its page table in use
    mov r14, 0x100000; mov r13, 0; add qword ptr [0x100000], 1; mov rdi, 0x40400000; mov [rdi], rax; mov rsi, 0x7000
    begin
    repeat 16: add rsi, 8; mov qword ptr [rsi], 0x100007
    finish

@ long: guest writes 16 entries of a page directory in use (second level)
    mov rsi, 0x6000; mov rax, [rsi]; mov eax, [0x40000000]; add rsi, 0x80
    begin
    repeat 16: add rsi, 8; mov qword ptr [rsi], 0
    finish

@ long: guest remaps one page 16 times: PTE write, invlpg, touch
    mov r14, 0x100000; mov r13, 0; add qword ptr [0x100000], 1; add qword ptr [0x101000], 1; mov rdi, 0x40400000; mov [rdi], rax; mov rbx, 0x100007
    begin
    repeat 16: xor rbx, 0x1000; mov [0x7000], rbx; invlpg [rdi]; mov [rdi], rax
    finish

@ long: write to 16 pages read-only in the guest's table (guest #PF, handler makes them writable)
    mov r14, 0x100000; mov r13, 0; add qword ptr [0x100000], 1; mov rsi, 0x7000
    repeat 16: mov qword ptr [rsi], 0x100005; add rsi, 8
    mov rdi, 0x40400000
    repeat 16: mov rax, [rdi]; add rdi, 0x1000
    mov rdi, 0x40400000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long: read of device memory (no memory slot), same page
    mov rdi, 0x40000000; mov eax, [rdi]
    begin
    repeat 16: mov eax, [rdi]
    finish

@ long: write of device memory (no memory slot), same page
    mov rdi, 0x40000000; mov [rdi], eax
    begin
    repeat 16: mov [rdi], eax
    finish

@ long: read of a read-only memory slot, warm
    mov rdi, 0x800000; mov rax, [rdi]
    begin
    repeat 16: mov rax, [rdi]
    finish

@ long: write to a read-only memory slot
    mov rdi, 0x800000; mov rax, [rdi]
    begin
    repeat 16: mov [rdi], eax
    finish

@ long dirty-log: write of 16 warm pages after dirty logging was switched on
    mov rdi, 0xa00000
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    mov al, 4; out 0x10, al; mov rdi, 0xa00000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long dirty-log: second write of the same 16 pages, log not read
    mov rdi, 0xa00000
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    mov al, 4; out 0x10, al; mov rdi, 0xa00000
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    mov rdi, 0xa00000
    begin
    repeat 16: mov [rdi], rax; add rdi, 0x1000
    finish

@ long irqchip: read of the local APIC id (in-kernel APIC)
    mov rdi, 0x40200020; mov eax, [rdi]
    begin
    repeat 16: mov eax, [rdi]
    finish

@ long irqchip: write of the local APIC EOI register (in-kernel APIC)
    mov rdi, 0x402000b0; mov rsi, 0x402000f0; mov dword ptr [rsi], 0x1ff
    begin
    repeat 16: mov dword ptr [rdi], 0
    finish

@ long irqchip: self IPI through the ICR, taken at once (sti), handler EOIs
    mov rsi, 0x402000f0; mov dword ptr [rsi], 0x1ff; mov rdi, 0x40200300; mov rax, h_ipi; sti
    begin
    repeat 16: mov dword ptr [rdi], 0x40090; nop; nop
    cli
    finish

@ long irqchip: mov cr8, rax (changing; in-kernel APIC)
    mov rax, 1
    begin
    repeat 16: xor rax, 3; mov cr8, rax
    finish

@ long irqchip: out 0x21 (in-kernel PIC)
    mov al, 0xff
    begin
    repeat 16: out 0x21, al
    finish

@ long irqchip: hlt woken by a self IPI sent before (in-kernel APIC)
    mov rsi, 0x402000f0; mov dword ptr [rsi], 0x1ff; mov rdi, 0x40200300
    begin
    repeat 16: cli; mov dword ptr [rdi], 0x40090; sti; hlt
    cli
    finish
align 16
h_ipi:
    push rdi; mov rdi, 0x402000b0; mov dword ptr [rdi], 0; pop rdi; iretq

@ long interrupts: 16 interrupts injected by user space (KVM_INTERRUPT), guest spins with IF=1
    begin
    sti; xor ebx, ebx
  again:
    cmp ebx, 16; jb again; cli
    finish
align 16
h_irq_count:
    inc ebx; iretq

@ long interrupts: 16 interrupts from user space, guest opens the window with sti; nop; cli
    xor ebx, ebx
    begin
  again:
    cli; nop; nop; sti; nop; cli; cmp ebx, 16; jb again
    finish

@ protected: 32-bit protected mode, paging off: mov eax, cr0
    begin
    repeat 16: mov eax, cr0
    finish

@ protected: 32-bit protected mode, paging off: first write of 16 pages
    mov edi, 0x200000
    begin
    repeat 16: mov [edi], eax; add edi, 0x1000
    finish

@ protected: 32-bit: CR0.PG set, one touch, CR0.PG cleared, one touch (8 times)
    mov eax, 0xc000; mov cr3, eax; add dword ptr [0x100000], 1; mov eax, cr0
    begin
    repeat 8: or eax, 0x80000000; mov cr0, eax; add dword ptr [0x100000], 1; and eax, 0x7fffffff; mov cr0, eax; add dword ptr [0x100000], 1
    finish

@ real: real mode: int 0x21 and iret
    begin
    repeat 16: int 0x21
    finish

@ real: real mode: cli; sti; pushf; popf
    begin
    repeat 16: cli; sti; pushf; popf
    cli
    finish

@ real: real mode: out 0x60, al
    begin
    repeat 16: out 0x60, al
    finish
align 16
code 16
h_rm_iret:
    iret
code 64

@ long: fault with an empty IDT: triple fault
    begin
    lidt [0x8f00]; ud2
    finish

@ long: a loop of 2 million instructions (host timer shows)
    mov ecx, 1000000
    begin
  again:
    dec ecx; jnz again
    finish
