# title: The rules of cpuset, version 1
# concepts: cpuset, exclusive, clone_children, EBUSY, EINVAL
cd /sys/fs/cgroup/cpuset
mkdir a b
echo 0-1 > a/cpuset.cpus; echo 0 > a/cpuset.mems; cat a/cpuset.cpus a/cpuset.mems a/cpuset.effective_cpus a/cpuset.effective_mems
echo 0,1 > a/cpuset.cpus && cat a/cpuset.cpus
echo 1,0,1 > a/cpuset.cpus && cat a/cpuset.cpus
echo 1-0 > a/cpuset.cpus
echo 0- > a/cpuset.cpus
echo ,0 > a/cpuset.cpus && cat a/cpuset.cpus
echo 0,, > a/cpuset.cpus && cat a/cpuset.cpus
echo '0 1' > a/cpuset.cpus
echo '0, 1' > a/cpuset.cpus
echo 0-1:1/2 > a/cpuset.cpus && cat a/cpuset.cpus
echo 0-1:2/1 > a/cpuset.cpus
echo all > a/cpuset.cpus && cat a/cpuset.cpus
echo N > a/cpuset.cpus && cat a/cpuset.cpus
echo 0-1 > a/cpuset.cpus
echo -1 > a/cpuset.cpus
echo 99999999999 > a/cpuset.cpus
echo 1 > a/cpuset.mems
echo 64 > a/cpuset.mems
echo 1024 > a/cpuset.mems
echo x > a/cpuset.mems
echo 0 > b/cpuset.cpus
echo 1 > a/cpuset.cpu_exclusive
cat a/cpuset.cpu_exclusive
echo '' > b/cpuset.cpus && cat b/cpuset.cpus
mkdir a/x a/y
echo 0 > a/x/cpuset.cpus; echo 0-1 > a/y/cpuset.cpus
echo 1 > a/x/cpuset.cpu_exclusive
echo 2 > a/x/cpuset.cpu_exclusive
echo 0 > a/cpuset.sched_load_balance && cat a/cpuset.sched_load_balance
echo 2 > a/cpuset.sched_load_balance && cat a/cpuset.sched_load_balance
echo x > a/cpuset.sched_load_balance
echo 3 > a/cpuset.sched_relax_domain_level && cat a/cpuset.sched_relax_domain_level
echo 99 > a/cpuset.sched_relax_domain_level
echo -2 > a/cpuset.sched_relax_domain_level
echo -1 > a/cpuset.sched_relax_domain_level
echo 1 > a/cpuset.memory_migrate && cat a/cpuset.memory_migrate
echo 1 > a/cpuset.memory_spread_page && cat a/cpuset.memory_spread_page
echo 1 > a/cpuset.memory_spread_slab && cat a/cpuset.memory_spread_slab
echo 1 > a/cpuset.mem_hardwall && cat a/cpuset.mem_hardwall
echo 1 > a/cpuset.mem_exclusive
echo 1 > a/cpuset.memory_pressure
echo 1 > a/cpuset.effective_cpus
echo 1 > a/cgroup.clone_children
mkdir a/z; cat a/z/cpuset.cpus a/z/cpuset.mems a/z/cgroup.clone_children a/z/cpuset.memory_spread_page a/z/cpuset.mem_hardwall
sh -c 'echo $$ > a/z/tasks; nproc; echo 0 > a/z/cpuset.cpus; nproc; grep _allowed_list /proc/self/status; echo > a/z/cpuset.cpus; echo > a/z/cpuset.mems; taskset -c 0,1 nproc; echo 0-1 > a/z/cpuset.cpus; nproc; taskset -p $$ | sed "s/.*: //"'
sleep 100 & echo $! > a/z/tasks
taskset -pc 1 $! | sed 's/.*: //'
echo 0 > a/z/cpuset.cpus; taskset -pc $! | sed 's/.*: //'
echo $! > tasks; taskset -pc $! | sed 's/.*: //'
kill $!; wait
echo 0 > a/cpuset.cpus
rmdir a/x a/y a/z a b
