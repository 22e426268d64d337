package main

import (
	"net"
	"strconv"
	"strings"
	"testing"

	settings "ottla.dev/core/config"
)

// TestEachBrokersFileIsUnderstood loads what cluster writes, as serve does, and wants the user's settings to win.
func TestEachBrokersFileIsUnderstood(t *testing.T) {
	o := clusterOptions{brokers: 7, port: 19092, controllerPort: 19192, dir: t.TempDir(),
		set: []string{"num.partitions=6", "default.replication.factor=2"}}
	for id := 1; id <= o.brokers; id++ {
		if err := o.writeProperties(id); err != nil {
			t.Fatal(err)
		}
		c, err := loadSettings([]string{o.propertiesFile(id)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"num.partitions": "6", "default.replication.factor": "2",
			"node.id": strconv.Itoa(id), "min.insync.replicas": "2"} {
			if got, _ := settings.BrokerText(settings.Layers{Static: c.Static}, key); got != want {
				t.Errorf("broker %d: %s is %s, wanted %s", id, key, got, want)
			}
		}
		roles := "broker"
		if id <= maxClusterVoters {
			roles = "broker,controller"
		}
		if got, _ := settings.BrokerText(settings.Layers{Static: c.Static}, "process.roles"); got != roles {
			t.Errorf("broker %d: roles %s", id, got)
		}
	}
}

// TestPortsThatAreTaken are all named at once, before anything is started.
func TestPortsThatAreTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	err = clusterOptions{brokers: 1, port: port, controllerPort: port, dir: t.TempDir()}.portsTaken()
	if err == nil || strings.Count(err.Error(), strconv.Itoa(port)) != 2 || !strings.Contains(err.Error(), "--port") {
		t.Errorf("%v", err)
	}
}

// TestAFolderOfAnotherClusterIsLeftAlone wants no broker to be started on it.
func TestAFolderOfAnotherClusterIsLeftAlone(t *testing.T) {
	o := clusterOptions{brokers: 3, port: 19092, controllerPort: 19192, dir: t.TempDir()}
	if err := o.prepare(); err != nil {
		t.Fatal(err)
	}
	if err := o.prepare(); err != nil {
		t.Errorf("a second start: %v", err)
	}
	o.brokers = 5
	if err := o.prepare(); err == nil || !strings.Contains(err.Error(), "--brokers 3") {
		t.Errorf("five brokers in the folder of three: %v", err)
	}
}
