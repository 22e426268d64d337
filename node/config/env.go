package config

import (
	"slices"
	"strings"

	settings "ottla.dev/core/config"
)

// envPrefix marks environment variables that are settings, as in Kafka's container image: KAFKA_LOG_DIRS is log.dirs.
const envPrefix = "KAFKA_"

// envKey turns the name of an environment variable into a setting's: three underscores are a dash, two an underscore,
// one a dot.
func envKey(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, envPrefix)
	if !ok || rest == "" {
		return "", false
	}
	rest = strings.NewReplacer("___", "-", "__", "_", "_", ".").Replace(strings.ToLower(rest))
	return rest, true
}

// readEnv takes the settings of the environment. Names that are no settings are passed over: KAFKA_HEAP_OPTS and its
// like belong to Kafka's start scripts.
func (l *loader) readEnv(env []string) {
	sorted := slices.Clone(env)
	slices.Sort(sorted)
	for _, text := range sorted {
		name, value, _ := strings.Cut(text, "=")
		key, ok := envKey(name)
		if !ok {
			continue
		}
		if _, known := settings.LookupBroker(key); known {
			l.given[key] = setting{value, "environment variable " + name}
		}
	}
}
