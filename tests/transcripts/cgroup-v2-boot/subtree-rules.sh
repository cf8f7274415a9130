# world: v2
cd /sys/fs/cgroup
mkdir -p a/b/c
echo "+nosuch" > cgroup.subtree_control
echo "memory" > cgroup.subtree_control
echo "+memory" > a/cgroup.subtree_control
echo "+memory +pids" > cgroup.subtree_control
cat a/cgroup.controllers
cat a/b/cgroup.controllers
echo "+memory" > a/cgroup.subtree_control
cat a/b/cgroup.controllers
cat a/b/c/cgroup.controllers
echo "-memory" > cgroup.subtree_control
echo "-pids" > cgroup.subtree_control
cat cgroup.subtree_control
echo "-memory" > a/cgroup.subtree_control
echo "-memory" > cgroup.subtree_control
cat cgroup.subtree_control
echo "+memory -memory" > cgroup.subtree_control
echo "+memory +memory" > cgroup.subtree_control
cat cgroup.subtree_control
echo "+memory +nosuch" > a/cgroup.subtree_control
cat a/cgroup.subtree_control
