package group

import (
	"encoding/hex"

	"ottla.dev/core"
)

// memberIDSuffix is the length of the dash and the UUID that end a member id.
const memberIDSuffix = 1 + 36

// newMemberID makes the id of a member: the instance id of a static one or else the client id, and a random UUID in its
// text form with dashes (Kafka: ClassicGroup.generateMemberId).
func newMemberID(random *core.PRNG, clientID string, instance *string) string {
	prefix := clientID
	if instance != nil {
		prefix = *instance
	}
	u := random.UUID()
	id := make([]byte, 0, len(prefix)+memberIDSuffix)
	id = append(id, prefix...)
	for i, cut := 0, [6]int{0, 4, 6, 8, 10, 16}; i < 5; i++ {
		id = append(id, '-')
		id = hex.AppendEncode(id, u[cut[i]:cut[i+1]])
	}
	return string(id)
}
