#!/bin/sh
# An external worker: claims jobs from pawld, runs a command for each, and reports the result.
# README.md says how to start it, and what each call is for. Needs curl, and setsid of util-linux.
set -u

usage() {
  echo 'usage: worker.sh AGENT COMMAND [WORD…]' >&2
  echo 'PAWL_SOCKET (a path) or PAWL_URL (HOST:PORT or https://HOST[:PORT][/PREFIX]) says where pawld is,' >&2
  echo 'PAWL_TOKEN_FILE which file has the token to send, PAWL_WORKER what this worker is called.' >&2
  exit 2
}

[ $# -ge 2 ] || usage
agent=$1
shift
url=http://localhost
[ -n "${PAWL_SOCKET:-}" ] || case ${PAWL_URL:-} in
  http://[!/]* | https://[!/]*) url=${PAWL_URL%/} ;;
  *://*) usage ;;
  *:*) url=http://${PAWL_URL%/} ;;
  *) usage ;;
esac
name=${PAWL_WORKER:-worker-$(uname -n)-$agent}

boot=      # our boot_id, once it is registered
child=     # the running agent, leader of its own process group
pending=   # the curl that waits for an answer
tries_max= # of a call; empty: any number
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
token= # a file with the header: every user can read a command line
if [ -n "${PAWL_TOKEN_FILE:-}" ]; then
  token=$scratch/token
  read -r secret <"$PAWL_TOKEN_FILE" || [ -n "${secret:-}" ] || exit 2
  printf 'Authorization: Bearer %s\n' "$secret" >"$token"
fi

say() { echo "$(date -u +%H:%M:%S) $*" >&2; }
uuid() { cat /proc/sys/kernel/random/uuid; }

# When a process began: field 22 of its stat. The second field is a name in parentheses, which may contain anything.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# call METHOD PATH [BODY]: sets $status, and leaves the answer in a file. Retries until pawld answers, through any
# restarts. All tries carry one key: if pawld did the request and only its answer got lost, it repeats that answer and
# does nothing twice.
call() {
  key=$(uuid)
  tries=0
  while :; do
    # In the background: a signal interrupts a wait, but not a foreground command.
    curl --silent --globoff --noproxy '*' --max-time 90 ${PAWL_SOCKET:+--unix-socket "$PAWL_SOCKET"} \
      ${PAWL_CACERT:+--cacert "$PAWL_CACERT"} ${token:+--header "@$token"} \
      --request "$1" ${3:+--data "$3"} --header 'Content-Type: application/json' \
      --header "Idempotency-Key: $key" --header 'Pawl-Actor: worker' ${boot:+--header "Pawl-Boot: $boot"} \
      --output "$scratch/answer" --write-out '%{http_code}' "$url$2" >"$scratch/status" &
    pending=$!
    wait "$pending"
    pending=
    status=$(cat "$scratch/status")
    case $status in
      '' | 000 | 429 | 5??) ;; # not running, or not ready
      *) return ;;
    esac
    tries=$((tries + 1))
    [ "$tries" != "$tries_max" ] || return
    [ "$tries" != 1 ] || say "pawld does not answer; retrying"
    sleep 1 &
    wait $!
  done
}

answer() { cat "$scratch/answer" 2>/dev/null; }
# The answer's first number or string with that name. A string with JSON escapes is not understood here, and comes out
# empty.
number() { answer | tr '{' ',' | tr ',' '\n' | sed -n "s/^\"$1\":\([0-9][0-9]*\).*/\1/p" | head -n 1; }
text() { answer | sed -n "s/.*[{,]\"$1\":\"\([^\"\\\\]*\)\".*/\1/p"; }

# Ends the agent, and exits: pawld queues its job again, without counting a failed try.
leave() {
  trap '' TERM INT
  [ -z "$pending" ] || kill "$pending" 2>/dev/null
  if [ -n "$child" ]; then
    kill -TERM "-$child" 2>/dev/null
    sleep 10 && kill -KILL "-$child" 2>/dev/null &
    killer=$!
    wait "$child"
    kill -KILL "$killer" 2>/dev/null # it would ignore TERM, as we do by now
  fi
  tries_max=3
  [ -z "$boot" ] || call DELETE "/v1/boots/$boot"
  say "left"
  exit 0
}

# report CALL BODY: about the current job. A refusal is not our fault: the job was taken from us, and belongs to
# another.
report() {
  call POST "/v1/jobs/$job/$1" "$2"
  [ "$status" = 200 ] || say "job $job: $1 was refused: $status $(answer)"
}

# Runs the command for the claimed job.
work() {
  job=$(number id)
  attempt=$(number attempts)
  version=$(number version)
  task=$(number task)
  call GET "/v1/tasks/$task"
  work_item=$(text work_item)
  repo=$(text repo)
  branch=$(text branch)
  stage=$(text stage)
  if [ -z "$work_item" ] || [ -z "$repo" ]; then
    say "job $job: this script cannot parse the names of task $task"
    report finished "{\"attempt\":$attempt,\"result\":\"failed\"}"
    return
  fi
  say "job $job, attempt $attempt: $work_item of $repo, $stage"

  PAWL_JOB=$job PAWL_ATTEMPT=$attempt PAWL_TASK=$task PAWL_VERSION=$version PAWL_WORK_ITEM=$work_item \
    PAWL_REPO=$repo PAWL_BRANCH=$branch PAWL_STAGE=$stage setsid "$@" &
  child=$!
  start=$(start_of "$child")
  report started "{\"attempt\":$attempt,\"pid\":$child,\"pid_start\":${start:-0}}"
  wait "$child"
  code=$?
  child=
  say "job $job: exit code $code"
  report exited "{\"attempt\":$attempt,\"exit_code\":$code}"
}

trap leave TERM INT
fresh=$(uuid)
on="$(uname -n) $(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/pid | tr -cd 0-9)"
call POST /v1/boots "{\"name\":\"$name\",\"boot_id\":\"$fresh\",\"pid\":$$,\"pid_start\":$(start_of $$),\
\"host\":\"$on\",\"version\":\"worker.sh\"}"
if [ "$status" != 201 ]; then
  say "cannot register: $status $(answer)"
  exit 1
fi
boot=$fresh
say "$name works for $agent"

while :; do
  call POST /v1/jobs/claim "{\"agents\":[\"$agent\"],\"owner\":{\"boot_id\":\"$boot\",\"pid\":$$,\"actor\":\"worker\"},\
\"wait_s\":30}"
  case $status in
    200) work "$@" ;;
    204) ;; # no job in that time
    *)
      say "no more jobs: $status $(answer)" # stale_boot: a new worker has our name, or an operator ended us
      exit 1
      ;;
  esac
done
