package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestKafkaJS drives the broker with kafkajs 2.2.4.
func TestKafkaJS(t *testing.T) {
	addr := bootstrap(t)
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node", err.Error())
	}
	modules := cachePath(t, "npm", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "kafkajs")); err != nil {
		missing(t, "kafkajs from node/interop/install.sh", err.Error())
	}
	t.Run("kafkajs.js", func(t *testing.T) {
		t.Parallel()
		runScript(t, addr, node, []string{"NODE_PATH=" + modules}, filepath.Join("testdata", "kafkajs.js"))
	})
}
