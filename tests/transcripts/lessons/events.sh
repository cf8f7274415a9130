# Pending signals are bits: three TERMs end it once.
sleep 5000 &
kill -STOP $!
kill $!; kill $!; kill $!
ps -o stat= -p $! | cut -c1
kill -CONT $!
wait $!; echo "status $?"
