"""`python -m benchmarks.fuzz [--minutes 20]`: what nobody would send, to a real bridge and to every reader of files.

Each try is made of a seed, its kind and its number alone, so that any of them can be made again. What is answered with
200 is held against the vectors that NumPy makes; exit codes: 0 nothing was found, 1 something was.
"""
