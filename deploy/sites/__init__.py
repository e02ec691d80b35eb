"""Where the parts of a stack run, as processes of this user or in containers: all in which the two modes differ."""
