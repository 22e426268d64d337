package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run runs a command line of ottla and returns what it printed.
func runOttla(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot(time.Now())
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

func controllerSettings(t *testing.T, dir string, id string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.properties")
	text := "process.roles=controller\nnode.id=" + id + "\ncontroller.quorum.bootstrap.servers=127.0.0.1:1,127.0.0.1:2\n" +
		"controller.listener.names=CONTROLLER\nlisteners=CONTROLLER://127.0.0.1:1\nlog.dirs=" + dir + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestStorageFormatIsKafkas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	config, cluster := controllerSettings(t, dir, "1"), "I676EFHWRdy3YRChRqOGTw"
	info := func() (string, error) { return runOttla(t, "storage", "info", "-c", config) }
	if out, err := info(); err == nil || !strings.Contains(out, "does not exist") {
		t.Errorf("before: %v, %s", err, out)
	}
	for _, wrong := range [][]string{
		{}, // a controller without voters says how it begins
		{"--standalone", "--no-initial-controllers"},
		{"--standalone", "--feature", "kraft.version=0"},
		{"--no-initial-controllers", "--feature", "kraft.version=1"},
		{"--standalone", "--feature", "metadata.version=7"},
		{"--initial-controllers", "1@a:1"},
	} {
		args := append([]string{"storage", "format", "-t", cluster, "-c", config}, wrong...)
		if out, err := runOttla(t, args...); err == nil {
			t.Errorf("%v: %s", wrong, out)
		}
		if _, err := os.Stat(filepath.Join(dir, "meta.properties")); err == nil {
			t.Fatalf("%v formats", wrong)
		}
	}
	const initial = "1@127.0.0.1:1:JEXY6aqzQY-32P5TStzaFg,2@127.0.0.1:2:MvDxzVmcRsaTz33bUuRU6A"
	out, err := runOttla(t, "storage", "format", "-t", cluster, "-c", config, "--initial-controllers", initial)
	if err != nil || !strings.Contains(out, "dynamic metadata voter directory "+dir) {
		t.Fatal(err, out)
	}
	want := "Found log directory:\n  " + dir + "\n\nFound metadata: {cluster.id=" + cluster +
		", directory.id=JEXY6aqzQY-32P5TStzaFg, node.id=1, version=1}\n\n"
	if out, err := info(); err != nil || out != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
	for _, name := range []string{"bootstrap.checkpoint",
		"__cluster_metadata-0/00000000000000000000-0000000000.checkpoint"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := runOttla(t, "storage", "format", "-t", cluster, "-c", config, "-N"); err == nil {
		t.Error("formatted twice")
	}
	if _, err := runOttla(t, "storage", "format", "-t", cluster, "-c", config, "-N", "-g"); err != nil {
		t.Error(err)
	}
	if _, err := runOttla(t, "storage", "format", "-t", "another", "-c", config, "-N", "-g"); err == nil {
		t.Error("a folder of another cluster is taken for one of this")
	}
}
