# What an operator makes in a session is for that person only.
umask 077
