cd /sys/fs/cgroup/freezer
mkdir -p f/s
echo FROZEN > f/freezer.state; cat f/freezer.state f/s/freezer.state f/s/freezer.parent_freezing f/s/freezer.self_freezing
sleep 100 & P=$!
echo $P > f/tasks; sleep 0.1; ps -o stat= -p $P; grep State /proc/$P/status
kill $P; sleep 0.1; ps -o stat= -p $P
cat f/freezer.state
echo THAWED > f/freezer.state; wait $P
mkdir f/t; cat f/t/freezer.state
echo FROZEN > f/t/freezer.state; cat f/freezer.state f/t/freezer.self_freezing f/t/freezer.parent_freezing
echo FROZEN > f/freezer.state; echo THAWED > f/t/freezer.state; cat f/t/freezer.state f/t/freezer.self_freezing f/t/freezer.parent_freezing
echo THAWED > f/freezer.state; cat f/t/freezer.state
echo " FROZEN" > f/freezer.state; cat f/freezer.state
echo 1 > f/freezer.self_freezing
echo THAWED > f/freezer.state
sh -c 'sleep 0.3 & echo $! > f/tasks; echo FROZEN > f/freezer.state; sleep 0.6; ps -o stat= -p $!; echo THAWED > f/freezer.state; wait $!; echo $?'
rmdir f/t f/s f
