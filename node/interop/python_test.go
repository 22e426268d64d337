package interop

import (
	"path/filepath"
	"testing"
)

// debianPython is the interpreter that sees Debian's python3-* packages, whatever else is first on the PATH.
const debianPython = "/usr/bin/python3"

// TestKafkaPython drives the broker with kafka-python 2.0.2, which speaks protocol versions of 2017 to 2020.
func TestKafkaPython(t *testing.T) {
	needPythonModules(t, debianPython, "python3-kafka python3-snappy python3-lz4 python3-zstandard",
		"kafka", "snappy", "lz4", "zstandard")
	runPythonScenarios(t, debianPython,
		"kafka_python_produce_consume.py", "kafka_python_groups.py", "kafka_python_admin.py", "kafka_python_codecs.py")
}

// TestConfluentPythonOld is confluent-kafka 1.7 on librdkafka 2.0, as Debian has them.
func TestConfluentPythonOld(t *testing.T) {
	needPythonModules(t, debianPython, "python3-confluent-kafka", "confluent_kafka")
	runPythonScenarios(t, debianPython, "confluent_produce_consume.py")
}

// TestConfluentPythonNew is the newest confluent-kafka with the librdkafka that its wheel carries.
func TestConfluentPythonNew(t *testing.T) {
	python := cachePath(t, "venv", "bin", "python")
	needPythonModules(t, python, "confluent-kafka from node/interop/install.sh", "confluent_kafka")
	runPythonScenarios(t, python, "confluent_produce_consume.py", "confluent_admin.py")
}

// needPythonModules skips the test unless the interpreter can import all the modules.
func needPythonModules(t *testing.T, python, packages string, modules ...string) {
	t.Helper()
	bootstrap(t)
	for _, module := range modules {
		if r := (program{path: python, args: []string{"-c", "import " + module}}).run(); r.err != nil {
			missing(t, packages, r.err.Error()+" "+r.stderr)
		}
	}
}

func runPythonScenarios(t *testing.T, python string, scripts ...string) {
	t.Helper()
	addr := bootstrap(t)
	for _, script := range scripts {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			runScript(t, addr, python, []string{"PYTHONDONTWRITEBYTECODE=1"}, filepath.Join("testdata", script))
		})
	}
}
