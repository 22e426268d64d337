package rafttest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ottla.dev/core/raft"
)

var rewrite = flag.Bool("rewrite", false, "write what the scripts in testdata give as what they should give")

// TestScripts runs testdata/*.txt, in the style of the interaction tests of etcd's raft. A script is commands and,
// indented under each, what came of it: messages sent (->) and answers (=>), elections, starts and stops. Fetches
// without news and the writing of checkpoints are left out.
//
//	world nodes=3 [voters=2] [dynamic] [seed=1] [segment=BYTES] [retain=BYTES] [chunk=BYTES]     first
//	start NODE… | start all
//	pass DURATION          settle          time goes by | until the quorum is as it should be
//	cut FROM TO            mend FROM TO    one way
//	isolate NODE           join NODE       all ways from and to a node
//	disk DURATION          how long each operation of a disk takes
//	crash NODE             kill NODE       losing what is not synced, or not
//	propose NODE|leader VALUE…    snapshot NODE    resign NODE
//	add-voter AT NODE      remove-voter AT NODE
//	status
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(b))
			switch {
			case *rewrite:
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			case got != string(b):
				t.Errorf("%s gives something else; look at it with -rewrite and git diff:\n%s", file, got)
			}
		})
	}
}

type script struct {
	w *World
}

// play runs a script and returns it with what it gives.
func play(t *testing.T, text string) string {
	var out strings.Builder
	s := &script{}
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "    ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		lines, err := s.run(strings.Fields(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if s.w != nil {
			sound(t, s.w)
		}
		for _, l := range lines {
			out.WriteString("    " + l + "\n")
		}
	}
	return out.String()
}

// run carries out one command.
func (s *script) run(words []string) ([]string, error) {
	if words[0] == "world" {
		return nil, s.world(words[1:])
	}
	w := s.w
	w.Lines = nil
	var n []*Node
	for _, x := range words[1:] {
		if id, err := strconv.Atoi(x); err == nil && id >= 1 && id <= len(w.Nodes) {
			n = append(n, w.Nodes[id-1])
		}
	}
	switch words[0] {
	case "start":
		if words[1] == "all" {
			n = w.Nodes
		}
		for _, x := range n {
			x.Start()
		}
	case "pass", "disk":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			return nil, err
		}
		if words[0] == "disk" {
			w.DiskMin, w.DiskMax = d, d
		} else {
			w.Run(d)
		}
	case "settle":
		if !w.Until(20*time.Second, w.Settled) {
			return nil, fmt.Errorf("not settled:\n%s", w.Describe())
		}
	case "cut", "mend":
		w.Cut(n[0].ID, n[1].ID, words[0] == "cut")
	case "isolate", "join":
		w.Isolate(n[0].ID, words[0] == "isolate")
	case "crash", "kill":
		n[0].Crash(words[0] == "crash")
	case "propose":
		if words[1] == "leader" {
			n = []*Node{w.Leader()}
		}
		if len(n) == 0 || n[0] == nil || n[0].Q == nil || !n[0].Q.Active() {
			return nil, fmt.Errorf("no active leader:\n%s", w.Describe())
		}
		n[0].Propose(words[2:]...)
	case "snapshot":
		n[0].Snapshot()
	case "resign":
		n[0].Resign()
	case "add-voter":
		w.Ask(n[0], addVoter(n[1]))
	case "remove-voter":
		w.Ask(n[0], removeVoter(n[1]))
	case "status":
		return strings.Split(strings.TrimSpace(w.Describe()), "\n"), nil
	default:
		return nil, fmt.Errorf("no such command")
	}
	return told(w.Lines), nil
}

func (s *script) world(words []string) error {
	o := Options{Seed: 1, Trace: true, Settings: raft.DefaultSettings(), NetMin: 2 * time.Millisecond,
		NetMax: 2 * time.Millisecond, DiskMin: time.Millisecond, DiskMax: time.Millisecond}
	for _, x := range words {
		key, value, _ := strings.Cut(x, "=")
		v, err := strconv.Atoi(value)
		switch {
		case key == "dynamic":
			o.Dynamic = true
			continue
		case key == "nodes":
			o.Nodes = v
		case key == "voters":
			o.Voters = v
		case key == "seed":
			o.Seed = uint64(v)
		case key == "segment":
			o.LogBytes = int64(v)
		case key == "retain":
			o.Settings.LogBytes = int64(v)
		case key == "chunk":
			o.Settings.SnapshotBytes = int32(v)
		}
		if err != nil {
			return err
		}
	}
	s.w = New(o)
	return nil
}

// told leaves out what says nothing.
func told(lines []string) []string {
	var kept []string
	for _, l := range lines {
		fetch := strings.Contains(l, ": Fetch epoch=")
		switch {
		case fetch && strings.Contains(l, " from="), fetch && strings.HasSuffix(l, " bytes=0"):
		case strings.Contains(l, ": Fetch NOT_LEADER_FOR_PARTITION ") && !strings.Contains(l, "leader=-1"):
		case strings.Contains(l, "=> 4: Fetch NOT_LEADER_FOR_PARTITION "):
		case strings.Contains(l, " job checkpoint "), strings.Contains(l, " job snapshot "+Dir+" offset="):
		default:
			kept = append(kept, strings.ReplaceAll(l, Dir+"/", ""))
		}
	}
	return kept
}
