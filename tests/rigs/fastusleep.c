/* Preloaded into slurmctld: its background loop naps ten times 100 ms between two scheduling passes; make each nap short. */
#include <time.h>
#include <unistd.h>

int usleep(useconds_t microseconds)
{
    if (microseconds >= 50000)
        microseconds /= 20;
    struct timespec nap = {microseconds / 1000000, (microseconds % 1000000) * 1000L};
    return nanosleep(&nap, NULL);
}
