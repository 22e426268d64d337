package controller

import (
	"strings"

	"ottla.dev/core"
	"ottla.dev/core/metadata"
)

// maxTopicNameLength leaves room for the partition's number in a directory name of 255 bytes (Kafka: Topic).
const maxTopicNameLength = 249

// clusterMetadataTopic is the metadata log itself, which is no topic that one could create.
const clusterMetadataTopic = "__cluster_metadata"

// ValidTopicName reports whether a topic may have the name (Kafka: Topic.validate).
func ValidTopicName(name string) bool { return refuseTopicName(name) == nil }

func refuseTopicName(name string) *refusal {
	why := ""
	switch {
	case name == "":
		why = "the empty string is not allowed"
	case name == "." || name == "..":
		why = quote(name) + " is not allowed"
	case len(name) > maxTopicNameLength:
		why = "the length of " + quote(name) + " is longer than the max allowed length 249"
	case strings.ContainsFunc(name, isIllegal):
		why = quote(name) + " contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return refuse(core.InvalidTopicException, "Topic name is invalid: %s", why)
}

func isIllegal(r rune) bool {
	legal := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
	return !legal
}

// collisions finds topics whose names differ only in '.' against '_'. Metrics write both as '_', so Kafka allows one.
type collisions struct {
	img     *metadata.Image
	unified map[string]string // built when first needed: most clusters' names have neither
}

func (c *collisions) refuse(name string) *refusal {
	if !strings.ContainsAny(name, "._") {
		return nil
	}
	if c.unified == nil {
		c.unified = make(map[string]string)
		for t := range c.img.Topics() {
			c.add(t.Name)
		}
	}
	if other, ok := c.unified[unify(name)]; ok {
		return refuse(core.InvalidTopicException, "Topic %s collides with existing topic: %s", quote(name), other)
	}
	return nil
}

// add notes a topic that the request creates.
func (c *collisions) add(name string) {
	if c.unified != nil && strings.ContainsAny(name, "._") {
		c.unified[unify(name)] = name
	}
}

func unify(name string) string { return strings.ReplaceAll(name, ".", "_") }
