"""The fault bench: break everything between a user and a job, and count what became of the job.

The promise under test: **every job runs exactly once, and nothing unfinished is ever called done.** Each room
breaks one thing at many points, lets a new client carry on, and counts:

=========== =========================================================================================
points      how many breaks there were
duplicates  a job's command ran more than once
lost        a job was stored and never ran, though nobody was told that it was certainly not taken; or a
            new client could not bring it to its end
wrong       a verdict that is not true, or one that was final and changed
spoilt      a file that was fetched and is not whole, or is another
=========== =========================================================================================

All but the first must be zero. The figures stand in the closing lines of the test run.

==================== ================================================================================
room                 what is broken
==================== ================================================================================
test_cut_submit      the held-open shell's pipes, at each frame, each mark and a sample of bytes
test_cut_many        the same, with fifty jobs in one request
test_cut_resume      the same, of the client that looks up what is in doubt
test_cut_fetch       the same while outputs are fetched, in the answer or in a stream of their own
test_cut_cancel      the same while a job is cancelled
test_cut_parts       the same, and kills, where what waited here is sent, an array goes in parts, a job is
                     tried again
test_kill            the client itself, killed with SIGKILL at a line of its code
test_together        nothing: two or twenty processes at once on one store
test_wire            a TCP connection to a real sshd (live)
test_far_side        the far side's disk, its clock, a job's folder
test_records         what a job's records look like, and when they can be seen
==================== ================================================================================

All of it is seeded: the same points each time. ``JOBFERRY_FAULT_DENSITY=10`` breaks at ten times as many.
"""
