# title: Signals, groups and sessions
# concepts: kill, SIGSTOP, setsid, trap, wait, exit status, orphans
sleep 100 & kill -STOP $!; sleep 0.1; ps -o stat= -p $!; kill -CONT $!; sleep 0.1; ps -o stat= -p $!
kill $!; wait $!; echo $?
sh -c 'kill -SEGV $$'; echo $?
sh -c 'kill -PIPE $$'; echo $?
sh -c 'trap "" TERM; kill $$; echo survived; trap - TERM; kill $$; echo no'; echo $?
sh -c 'trap "echo bye" EXIT; exit 4'; echo $?
sh -c 'trap "echo usr" USR1; kill -USR1 $$; sleep 0; kill -USR1 $$; echo end'
kill -l | head -3
kill -l 9; kill -l TERM; kill -l 137
kill -0 $$; echo $?
kill -0 99999; kill 99999
kill -NOSUCH $$
kill -99 $$
kill abc
kill
/bin/kill -l | tr ' ' '\n' | head -5
/bin/kill -L | head -2
/bin/kill -s TERM 99999
/bin/kill -9
setsid sh -c 'ps -o pid=,sid=,pgid= -p $$ | awk "{ print (\$1 == \$2), (\$1 == \$3) }"'
setsid -w sh -c 'exit 5'; echo $?
setsid -f sh -c 'sleep 0.1; echo late'; sleep 0.4
sh -c 'sleep 50 & echo $! > /tmp/p'; sleep 0.1; ps -o ppid= -p $(cat /tmp/p); kill $(cat /tmp/p)
pkill -f 'sleep 50'; echo $?
sleep 51 & sleep 52 & pgrep -f 'sleep 5[12]' | wc -l; pkill -f 'sleep 5[12]'; wait; pgrep sleep; echo $?
timeout 0.2 sleep 5; echo $?
timeout -s KILL 0.2 sleep 5; echo $?
timeout 5 sh -c 'exit 9'; echo $?
timeout --preserve-status 0.2 sleep 5; echo $?
timeout 0.2 nosuch; echo $?
timeout abc true
nohup sh -c 'echo hup'; echo $?
sh -c 'sleep 0.2 & wait; echo $?'
sh -c 'wait 99999; echo $?'
(exit 3) & wait $!; echo $?
false | true; echo $?
sh -c 'exit 256'; echo $?; sh -c 'exit -1'; echo $?
sh -c 'trap "" USR1; grep SigIgn /proc/self/status'
cat /proc/self/stat | awk '{ print $2, $3, $18, $19, $20 }'
su student -c 'kill -9 1; kill -0 $PPID'
su student -c "kill -CONT $$"
