"""A stack of processes of this user: what is started, and the supervisor that watches over it."""
