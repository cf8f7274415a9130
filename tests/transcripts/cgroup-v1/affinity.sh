# title: Processors and memory nodes
# concepts: cpuset v1, exclusive, load balance, clone_children
cd /sys/fs/cgroup/cpuset
mkdir a b
ls a | grep cpuset
cat a/cpuset.cpu_exclusive a/cpuset.mem_exclusive a/cpuset.sched_load_balance a/cpuset.memory_migrate
echo 0-1 > a/cpuset.cpus && echo 0 > a/cpuset.mems
echo 0,1 > b/cpuset.cpus && cat b/cpuset.cpus
echo 1,0 > b/cpuset.cpus && cat b/cpuset.cpus
echo 0-0 > b/cpuset.cpus && cat b/cpuset.cpus
echo 1-0 > b/cpuset.cpus
echo -1 > b/cpuset.cpus
echo '0 1' > b/cpuset.cpus
echo 0-1:1/2 > b/cpuset.cpus && cat b/cpuset.cpus
echo 1 > b/cpuset.mems
echo 0,5 > b/cpuset.mems
echo 1 > a/cpuset.cpu_exclusive
mkdir a/x
echo 0 > a/x/cpuset.cpus && echo 0 > a/x/cpuset.mems
sh -c 'echo $$ > a/x/cgroup.procs; grep -E "(Cpus|Mems)_allowed_list" /proc/self/status; taskset -p $$ | cut -d: -f2; nproc'
sh -c 'echo $$ > a/x/cgroup.procs; taskset -c 1 true; taskset -c 0,1 nproc; taskset -p 2 $$'
sh -c 'taskset -c 1 sh -c "echo \$\$ > a/x/cgroup.procs; taskset -cp \$\$ | cut -d: -f2"'
sleep 100 & echo $! > a/x/cgroup.procs
P=$!
echo 1 > a/x/cpuset.cpus; grep Cpus_allowed_list /proc/$P/status
echo > a/x/cpuset.mems
echo > a/cpuset.cpus
taskset -p $P | cut -d: -f2
taskset -cp 0 $P
kill $P; wait
echo 1 > a/cgroup.clone_children; mkdir a/y; cat a/y/cpuset.cpus a/y/cpuset.mems
echo x > a/cpuset.cpu_exclusive
echo 5 > a/cpuset.memory_migrate && cat a/cpuset.memory_migrate
taskset -c 9 true
taskset 0 true
taskset
rmdir a/x a/y a b
