package cover

// Matrix counts events by the state in which they found a machine.
type Matrix struct {
	Name   string
	States []string
	Events []string
	// Never are pairs of a state and an event that cannot be; "*" stands for all.
	Never [][2]string
}

// Impossible reports whether the event cannot come in the state.
func (m *Matrix) Impossible(state, event string) bool {
	for _, n := range m.Never {
		if (n[0] == "*" || n[0] == state) && (n[1] == "*" || n[1] == event) {
			return true
		}
	}
	return false
}

// Matrices lists all that are observed.
func Matrices() []Matrix {
	return []Matrix{partitionMatrix(), quorumMatrix(), groupMatrix(), registrationMatrix(), brokerMatrix()}
}

func partitionMatrix() Matrix {
	return Matrix{
		Name: "partition",
		States: []string{"opening", "offline", "reopening", "unappointed", "alone", "leads", "leads-under-min-isr", "follows",
			"follows-nobody", "truncates"},
		Events: []string{"produce", "fetch", "replica-fetch", "cancel-fetch", "list-offsets", "epoch-end", "delete-records",
			"other-query", "metadata", "checkpoint", "shutdown", "fetch-answer", "link-down", "written", "write-failed",
			"synced", "sync-failed", "opened", "located", "timestamp-found", "truncation-planned", "snapshot-saved",
			"epochs-saved", "scrubbed", "tick"},
		Never: [][2]string{
			{"unappointed", "*"},                                        // a replica is appointed in the step that opens it
			{"alone", "replica-fetch"}, {"alone", "truncation-planned"}, // there is no other replica
			{"alone", "fetch-answer"}, {"alone", "link-down"}, {"leads", "fetch-answer"}, {"leads", "link-down"},
			{"leads-under-min-isr", "fetch-answer"}, {"leads-under-min-isr", "link-down"}, // it asks nobody
			{"opening", "written"}, {"opening", "write-failed"}, {"opening", "synced"}, {"opening", "sync-failed"},
			{"opening", "located"}, {"opening", "timestamp-found"}, {"opening", "truncation-planned"},
			{"opening", "snapshot-saved"}, {"opening", "epochs-saved"}, {"opening", "scrubbed"}, // there is no log
			{"alone", "opened"}, {"leads", "opened"}, {"leads-under-min-isr", "opened"}, {"follows", "opened"},
			{"follows-nobody", "opened"}, {"truncates", "opened"}, // there is one
		},
	}
}

func quorumMatrix() Matrix {
	return Matrix{
		Name: "quorum",
		States: []string{"unattached", "voted", "prospective", "candidate", "follower", "leader", "resigned",
			"recalling"},
		Events: []string{"Vote", "BeginQuorumEpoch", "EndQuorumEpoch", "Fetch", "FetchSnapshot", "DescribeQuorum",
			"AddRaftVoter", "RemoveRaftVoter", "UpdateRaftVoter", "Vote-answer", "BeginQuorumEpoch-answer",
			"EndQuorumEpoch-answer", "Fetch-answer", "FetchSnapshot-answer", "UpdateRaftVoter-answer", "link-down", "written",
			"synced", "job-done", "tick", "shutdown"},
		Never: [][2]string{{"*", "UpdateRaftVoter"}, {"*", "UpdateRaftVoter-answer"}}, // no machine changes its listeners
	}
}

func groupMatrix() Matrix {
	return Matrix{
		Name: "group",
		States: []string{"no-coordinator", "loading", "no-group", "Empty", "PreparingRebalance", "CompletingRebalance",
			"Stable"},
		Events: []string{"JoinGroup", "SyncGroup", "Heartbeat", "LeaveGroup", "OffsetCommit", "OffsetFetch", "DescribeGroups",
			"DeleteGroups", "OffsetDelete"},
	}
}

func registrationMatrix() Matrix {
	return Matrix{
		Name:   "registration",
		States: []string{"unknown", "fenced", "active", "shutting-down", "fenced-shutting-down"},
		Events: []string{"BrokerRegistration", "BrokerHeartbeat", "BrokerHeartbeat-want-fence",
			"BrokerHeartbeat-want-shutdown", "BrokerHeartbeat-directory-failed", "UnregisterBroker", "AlterPartition",
			"AllocateProducerIDs", "AssignReplicasToDirs"},
	}
}

func brokerMatrix() Matrix {
	return Matrix{
		Name: "broker",
		States: []string{"booting", "registering", "catching-up", "loading", "joining", "serving", "leaving", "closing",
			"stopped"},
		Events: []string{"start", "tick", "message", "written", "synced", "mapped", "failed", "job-done", "link-up",
			"link-down", "link-frame", "shutdown"},
		Never: [][2]string{
			{"registering", "start"}, {"catching-up", "start"}, {"loading", "start"}, {"joining", "start"},
			{"serving", "start"}, {"leaving", "start"}, {"closing", "start"}, {"stopped", "start"}, // it is the first
			{"stopped", "tick"},                                                                         // it wants none
			{"booting", "written"}, {"booting", "synced"}, {"booting", "mapped"}, {"booting", "failed"}, // no log is open
		},
	}
}

// NewMatrices returns counts of zero for every event in every state.
func NewMatrices() map[string]map[string]map[string]*Count {
	all := map[string]map[string]map[string]*Count{}
	for _, m := range Matrices() {
		states := map[string]map[string]*Count{}
		for _, s := range m.States {
			states[s] = map[string]*Count{}
			for _, e := range m.Events {
				states[s][e] = &Count{}
			}
		}
		all[m.Name] = states
	}
	return all
}

// Unmet lists the events of a matrix that never came in a state and could have, in order.
func (c *Coverage) Unmet(m *Matrix, state string) []string {
	var list []string
	for _, e := range m.Events {
		if n := c.Matrices[m.Name][state][e]; (n == nil || n.Seeds == 0) && !m.Impossible(state, e) {
			list = append(list, e)
		}
	}
	return list
}
