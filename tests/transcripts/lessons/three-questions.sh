# The first wall: the student may not signal root's process, and sees it all the same.
sleep 1000 &
su student -c "kill $!"; echo "kill $?"
ps -o user=,comm= -p $!
kill $!
