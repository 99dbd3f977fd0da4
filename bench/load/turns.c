/*
 * Preloaded into a proxy (LD_PRELOAD), writes down each long turn of its event loops: how much of it was the turn's own CPU time, and
 * how long its thread was ready to run and got no core. bench/stall.ts compiles it, where there is a C compiler, and reads what it writes:
 *
 *   EPOCH_MS PID cpu|wait WALL_MS CPU_MS WAIT_MS NAME
 *
 * "cpu": a turn, from the return of epoll_pwait to its next call. "wait": the event loop was woken and waited WAIT_MS for a core.
 * Bun calls epoll_pwait2 without libc: that is forbidden by seccomp, so that it falls back to epoll_pwait. Turns of io_uring are not seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 5.0
/* Away from the descriptors that the program counts on. */
#define DESCRIPTOR_MIN 900

struct moment {
  double wall, cpu, wait;
};

static __thread int is_main; /* 1: the main thread, 2: another */
static pid_t owner;
static int schedstat = -1;
static int is_running;
static struct moment turn_began, sleep_began;

static double now_ms(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

/* How long this thread was ready and got no core, since it began. */
static double waited_ms(void) {
  char text[80];
  if (owner != getpid()) {
    int opened = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    schedstat = fcntl(opened, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
    if (schedstat >= 0) close(opened);
    else schedstat = opened;
    owner = getpid();
  }
  ssize_t length = pread(schedstat, text, sizeof text - 1, 0);
  if (length <= 0) return 0;
  text[length] = 0;
  char *second = strchr(text, ' ');
  return second == NULL ? 0 : strtoull(second, NULL, 10) / 1e6;
}

static struct moment moment(void) {
  return (struct moment){now_ms(CLOCK_REALTIME), now_ms(CLOCK_THREAD_CPUTIME_ID), waited_ms()};
}

static void write_down(const char *what, struct moment from, struct moment to) {
  const char *path = getenv("PROXY_TURNS_LOG");
  int log = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (log < 0) return;
  char name[32] = "", line[200];
  prctl(PR_GET_NAME, name);
  int length = snprintf(line, sizeof line, "%.2f %d %s %.2f %.2f %.2f %s\n", from.wall, (int)owner, what,
                        to.wall - from.wall, to.cpu - from.cpu, to.wait - from.wait, name);
  if (write(log, line, length) < 0) errno = 0;
  close(log);
}

static void before_sleep(void) {
  sleep_began = moment();
  if (!is_running) return;
  double cpu = sleep_began.cpu - turn_began.cpu, wait = sleep_began.wait - turn_began.wait;
  if (cpu < LONG_MS && wait < LONG_MS) return;
  write_down("cpu", turn_began, sleep_began);
}

static void after_sleep(void) {
  turn_began = moment();
  if (is_running && turn_began.wait - sleep_began.wait >= LONG_MS) write_down("wait", sleep_began, turn_began);
  is_running = 1;
}

int epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
  if (is_main == 0) is_main = gettid() == getpid() ? 1 : 2;
  if (is_main == 1) before_sleep();
  long ready = syscall(SYS_epoll_pwait, epoll, events, most, timeout, mask, 8);
  int error = errno;
  if (is_main == 1) after_sleep();
  errno = error;
  return ready;
}

__attribute__((constructor)) static void forbid_epoll_pwait2(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
