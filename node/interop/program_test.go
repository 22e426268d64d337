package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// programTimeout bounds one run of a program that no test gives a bound of its own.
const programTimeout = 60 * time.Second

// A program is one command line to run against the server under test.
type program struct {
	path    string
	args    []string
	env     []string // added to the tests' own
	stdin   string
	timeout time.Duration // programTimeout when zero
}

// A result is what a program printed and how it ended.
type result struct {
	stdout, stderr string
	err            error
}

// run ends the program, and whatever it started, at its timeout.
func (p program) run() result {
	timeout := p.timeout
	if timeout == 0 {
		timeout = programTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdin = strings.NewReader(p.stdin)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A group of its own, so that children which hold the pipes open die with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second

	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("not done after %v", timeout)
	}
	return result{stdout.String(), stderr.String(), err}
}

// mustRun fails the test when the program does not exit with status 0, and gives its standard output.
func (p program) mustRun(t *testing.T) string {
	t.Helper()
	r := p.run()
	if r.err != nil {
		t.Fatalf("%s: %v\n%s\n%s", p, r.err, r.stdout, r.stderr)
	}
	return r.stdout
}

// mustFail wants a non-zero exit and gives everything that the program printed.
func (p program) mustFail(t *testing.T) string {
	t.Helper()
	r := p.run()
	if r.err == nil {
		t.Fatalf("%s: wanted it to fail, but it printed\n%s\n%s", p, r.stdout, r.stderr)
	}
	return r.stdout + r.stderr
}

func (p program) String() string {
	words := []string{p.path}
	for i, arg := range p.args {
		if i > 0 && p.args[i-1] == "-cp" {
			arg = "..." // a class path is some eighty jars
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// runScript runs one of testdata's scenarios, which take the bootstrap address and a prefix for names.
func runScript(t *testing.T, addr, interpreter string, env []string, before ...string) {
	t.Helper()
	script := program{
		path:    interpreter,
		args:    append(before, addr, uniqueName("x")),
		env:     append(env, fmt.Sprintf("INTEROP_BROKERS=%d", brokerCount())),
		timeout: 2 * programTimeout,
	}
	if standIn() {
		script.env = append(script.env, "INTEROP_STAND_IN=1")
	}
	output := script.mustRun(t)
	if !strings.Contains(output, "ok: ") {
		t.Fatalf("%s: exited with 0 but did nothing\n%s", script, output)
	}
	t.Log("\n" + output)
}

var names atomic.Int64

// uniqueName makes a topic or group name that no earlier run against the same server used.
func uniqueName(what string) string {
	return fmt.Sprintf("%s-%x-%d", what, time.Now().UnixMilli()&0xffffffff, names.Add(1))
}

// wantContains fails unless text has every one of the pieces.
func wantContains(t *testing.T, text string, pieces ...string) {
	t.Helper()
	for _, piece := range pieces {
		if !strings.Contains(text, piece) {
			t.Errorf("missing %q in:\n%s", piece, text)
		}
	}
}
