#!/usr/bin/env bash
# Tidegate, told as it goes: `make demo`, or `demo/run.sh path/to/tidegate`. Everything happens in a temporary folder, and
# nothing is left behind.
set -euo pipefail
cd "$(dirname "$0")/.."
tidegate=$(realpath "${1:?name the program: demo/run.sh target/release/tidegate}")
# shellcheck source=demo/tell.sh
source demo/tell.sh

home=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-demo.XXXXXX")
server=''

# Contexts and everything else that is the user's stay as they are.
for variable in "${!TIDEGATE_@}"; do unset "$variable"; done
export XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/share XDG_STATE_HOME=$home/state XDG_CACHE_HOME=$home/cache

# Processes that have something to do with the demo's folder.
ours() {
  local process
  for process in /proc/[0-9]*; do
    if tr '\0' '\n' 2>/dev/null <"$process/cmdline" | grep -qF "$home/data" ||
      [[ "$(readlink "$process/cwd" 2>/dev/null)" == "$home"/* ]]; then
      basename "$process"
    fi
  done
}

stop_server() {
  [ -n "$server" ] || return 0
  kill -INT "$server" 2>/dev/null || true
  within 30 bash -c "! kill -0 $server" || kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=''
}

clean_up() {
  stop_server
  local left
  left=$(ours)
  # shellcheck disable=SC2086
  [ -z "$left" ] || kill -KILL $left 2>/dev/null || true
  within 10 rm -rf "$home" || echo "cannot remove $home" >&2
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# The process of a controller, by its number.
process_of() { pgrep -f "^$tidegate controller run .*$home/data/c$1/controller.toml"; }
steps_are_whole() {
  diff <(grep -o '^step [0-9]*$' "$home/steps") <(seq -f 'step %g' 1 12)
}
leads_again() {
  local standing
  standing=$(value 'sum(c["leader"] for c in x["items"]), sum(c["heard"] for c in x["items"])' controller list)
  [ "$standing" = "1 3" ] && [ "$(value 'next(c["id"] for c in x["items"] if c["leader"])' controller list)" != "$leader" ]
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

heading "1. Three controllers, and two pools of nodes"
say "One program: three controllers that agree on one log, and nodes that they start when there is work."
printf '  %s$ tidegate up --controllers 3 --data %s &%s\n' "$dim" "$home/data" "$plain"
"$tidegate" up --controllers 3 --data "$home/data" --http "127.0.0.1:$(free_port)" >"$home/server.log" 2>&1 &
server=$!
if ! within 30 "$tidegate" status; then
  echo "the server does not answer; its log:" >&2
  cat "$home/server.log" >&2
  exit 1
fi
show pool apply demo/pools/small.yml
show quota set standardFSv2Family 2
show pool apply demo/pools/scarce.yml
check "no node of either pool exists before there is work" test "$(nodes_of small)$(nodes_of scarce)" = 00

heading "2. A real training run"
say "A node boots, gets the code and the data, and runs the loop; its output arrives as it is printed."
show submit examples/train/train.yml --set compute=small --name flowers --stream
check "the training run ended well" test "$code" = 0
show run download flowers --all --path "$home/flowers"
model=$(find "$home/flowers" -name model.json 2>/dev/null | head -n 1 || true)
metrics=$(find "$home/flowers" -path '*metrics*' -type f 2>/dev/null | head -n 1 || true)
say "The model that it left behind:"
sed 's/^/    /' "${model:-/dev/null}"
good='import json, sys; m = json.load(open(sys.argv[1])); assert len(m["weights"]) == 2'
check "the model was downloaded, with a weight for each feature" python3 -c "$good" "$model"
learned='import json, sys; h = json.load(open(sys.argv[1]))["history"]; assert h[-1]["loss"] < h[0]["loss"] / 1.05'
check "its loss went down from the first epoch to the last" python3 -c "$learned" "$metrics"

heading "3. The leading controller is killed in the middle of a run"
say "Twelve steps of half a second, followed as they are printed; and kill -9 for whichever controller leads."
"$tidegate" submit demo/jobs/steps.yml --name steps --stream >"$home/steps" 2>&1 &
streaming=$!
within 20 grep -q "step 3" "$home/steps" || true
leader=$(value 'next(c["id"] for c in x["items"] if c["leader"])' controller list)
process=$(process_of "$leader")
say "Controller $leader leads, as process $process:"
printf '  %s$ kill -9 %s%s\n' "$dim" "$process" "$plain"
kill -KILL "$process"
code=0
wait $streaming || code=$?
sed 's/^/    /' "$home/steps"
check "the stream went on to its end: every step once, in order" steps_are_whole
check "the run ended well, and in one attempt" test "$(value 'x["state"], len(x["attempts"])' run show steps)" = "Completed 1"
within 20 leads_again || true
show controller list
check "another controller leads, and the one that was killed is back" leads_again
say "What that costs is measured by \`make bench ONLY=failover\`: from the kill to the first start under the new leader."

heading "4. A run that fails"
show submit examples/failing.yml --set compute=small --name broken --stream
check "--stream ends with exit code 1" test "$code" = 1
show run show broken
check "the run is Failed, with its program's exit code 42" test "$(value 'x["state"], x["exit_code"]' run show broken)" = "Failed 42"
show run logs broken
check "its log is kept" grep -q "no such column: price" <<<"$output"

heading "5. A run over quota, which says so"
show submit demo/jobs/patient.yml --name patient
explained() { show run explain patient >"$home/explained"; grep -qi quota <<<"$output"; }
within 10 explained || true
cat "$home/explained"
check "explain names the quota as the reason" grep -qi "quota" "$home/explained"
check "it waits" state_is patient Queued
say "Raise the quota, and it starts by itself:"
show quota set standardFSv2Family 4
show run wait patient
check "it ran once the quota allowed it" state_is patient Completed

heading "6. A run that is cancelled"
show submit demo/jobs/endless.yml --name endless
within 20 state_is endless Running || true
show run cancel endless
show run wait endless
check "waiting for it ends with exit code 5" test "$code" = 5
show run logs endless
check "the command was told to stop, and had time to say so" grep -q "told to stop" <<<"$output"

heading "7. Eight short runs: the pool grows, then shrinks to nothing"
for number in 1 2 3 4 5 6 7 8; do
  "$tidegate" submit demo/jobs/short.yml --name "short-$number" >/dev/null
done
say "Eight runs of four seconds are queued, each for a node of its own; the pool may have four."
grown() { [ "$(nodes_of small)" -ge 4 ]; }
within 20 grown || true
show node list --pool small
check "the pool grew to its four nodes" grown
all_done() {
  [ "$(value 'sum(r["state"] == "Completed" for r in x["items"])' run list --name short-)" = 8 ]
}
check "all eight completed" within 60 all_done
empty() { [ "$(nodes_of small)" = 0 ]; }
check "the pool shrank to nothing once they were idle" within 30 empty
show node list

heading "8. What happened"
show run list
states='sum(r["state"] == "Completed" for r in x["items"]), *sorted(r["state"] for r in x["items"] if r["state"] != "Completed")'
check "eleven runs completed, one was cancelled, one failed" test "$(value "$states" run list)" = "11 Canceled Failed"
stop_server
check "nothing of it runs any more" test -z "$(ours)"

heading "Summary, after $SECONDS seconds"
printf '  %s\n' "${checks[@]}"
if [ $failed -gt 0 ]; then
  printf '\n%s%d of %d checks failed.%s The end of the server'"'"'s log:\n' "$red" $failed ${#checks[@]} "$plain"
  tail -n 30 "$home/server.log"
  exit 1
fi
printf '\nAll %d checks passed. Next: README.md, and `tidegate --help`.\n' ${#checks[@]}
