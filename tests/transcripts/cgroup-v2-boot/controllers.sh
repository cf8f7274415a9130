# world: v2
cd /sys/fs/cgroup
cat cgroup.controllers
cat cgroup.subtree_control
ls | sort
mkdir a
ls a | sort
cat a/cgroup.controllers
echo "+pids" > cgroup.subtree_control
cat cgroup.subtree_control a/cgroup.controllers
ls a | sort
echo "+memory +cpu" > cgroup.subtree_control
cat cgroup.subtree_control
cat a/cgroup.controllers
echo "-cpu -pids" > cgroup.subtree_control
cat a/cgroup.controllers
ls a | sort
