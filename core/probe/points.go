package probe

// The points, by machine. What each means is in the table.
const (
	// log
	RolledBySize Point = iota + 1
	RolledByTime
	RolledByIndexFull
	RolledForItsIndex
	RetainedBySize
	RetainedByTime
	RetainedByDeletion
	ActiveSegmentExpired
	RetentionAwaitsSnapshot
	RemovalAwaitsReader
	FlushedByCount
	FlushedByTime
	TornTailCut
	SegmentsDropped
	SegmentDistrusted
	IndexRebuilt
	SnapshotUsed
	SnapshotIgnored
	EpochsRescanned
	EpochDenied
	LeftoversRemoved
	LogBegunAnew
	DeletedSegmentsBack
	OtherTopicSetAside
	DamageFound
	DamageCutOff
	OldestSegmentMissed
	EpochsSavedAgain

	// partition
	BatchSentAgain
	DuplicateInFlight
	SequenceRefused
	SequenceWrapped
	ProducerFenced
	LeadershipDoubted
	LeadershipNotConfirmed
	ProducerEpochRaised
	ProducersExpired
	BatchTooLarge
	ProduceRefusedByFollower
	ProduceRefusedWhileCut
	ProduceUnderMinISR
	UnderMinISRAfterAppend
	ProduceTimedOut
	LeaderDeposedInFlight
	LogFailedInFlight
	OperationParked
	FetchParked
	FetchTimedOut
	FetchCancelled
	FetchFenced
	FetchAhead
	FetchOutOfRange
	FetchNeedsFile
	FetchOvertaken
	FetchMetDamage
	ReaderDiverged
	ReadFromFollower
	SentToNearest
	OldReplicaRefused
	HighWatermarkUnknown
	FollowerTruncated
	FollowerBeganAnew
	FollowerForgotEpochs
	CommittedCutOff
	TruncationOvertaken
	DeletionFollowed
	FetchLost
	FetchSessionReset
	OldAnswerIgnored
	FollowerPaused
	LeaderPressed
	ShrinkProposed
	ExpandProposed
	ExpandAwaitsDeletion
	ProposalRepeated
	ProposalRefused
	ProposalOvertaken
	RecoveryProposed
	ReplicaSuspected
	ReplicaReopened
	ReplicaRegained
	DamageServed
	ScrubFoundDamage
	ScrubRebuiltIndex
	DirectoryFailed
	DeletionAwaitsReplicas
	DeletionTimedOut
	DeletionDeposed
	OpenedInVain
	FolderAwaited

	// quorum
	PreVoteLost
	PreVoteDenied
	OldLogDenied
	SecondVoteDenied
	ElectionLost
	VoteGivenAgain
	VoteFromDisk
	MetadataTruncated
	SnapshotFetched
	SnapshotGone
	SnapshotWritten
	LogCleaned
	CheckQuorumResigned
	ResignationFollowed
	LeaderPresumedGone
	VoterAdded
	VoterRemoved
	LeaderRemovedItself
	VoterChangeTimedOut
	VoterChangeAbandoned
	VotersTruncated
	VoterUpdated
	VersionRaised
	PromisesForgotten
	PromisesRecalled
	FetchReadFromDisk
	DiskAwaited

	// controller
	UncleanElection
	EligibleElected
	LastKnownElected
	Leaderless
	PreferredElected
	OldISRRefused
	DeposedISRRefused
	IneligibleRefused
	ReassignmentBegun
	ReassignmentCompleted
	ReassignmentCancelled
	BrokerFenced
	BrokerUnfenced
	OldHeartbeat
	BrokerPresumedGone
	GoneHeardAgain
	ShutdownBegun
	ShutdownAllowed
	BrokerReregistered
	RegistrationRepeated
	DuplicateRefused
	StaleBrokerRefused
	CleanReturn
	UncleanReturn
	BrokerUnregistered
	UnregisterRefused
	DirectoryLost
	ReplicaPlaced
	ReplicaLost
	MinISRRaised
	MinISRLowered
	TransactionAborted

	// coordinator
	MovedInFlight
	LoadRefused
	LoadDiscarded
	LoadFailed
	LoadAwaitsCommit
	CommitTimedOut
	AppendRefused

	// group
	JoinDelayExtended
	MemberTimedOut
	PendingTimedOut
	JoinTimedOut
	SyncTimedOut
	JoinedDuringAssignment
	JoinAnsweredAgain
	LeaderJoinedAgain
	StaticReplaced
	StaticReplacedInRebalance
	StaticFenced
	GroupFull
	GroupEmptied
	ProtocolRefused
	OldGenerationRefused
	CommitDuringAssignment
	UnknownMemberRefused
	OffsetExpired
	GroupExpired
	GroupDeleted
	OffsetDeleted
	TopicForgotten
	MembersLoaded

	// broker
	ControllerDeposed
	QuestionRepeated
	QuestionGivenUp
	RegistrationLost
	ShutdownTimedOut
	Deserted
	DirectoryGivenUp
	AnswerNotReflected
	StrayFolderSetAside
	MetadataWhileTidying
	CheckpointRepeated

	// session
	RequestsOverlapped
	RequestHeld
	RequestMalformed
	HungUpInFlight
	FetchSessionUnknown
	FetchSessionOutOfTurn
	FetchSessionGrown
	FetchSessionShrunk
	FetchAcrossShards
	AnsweredUnsupported

	// Count is one more than there are points.
	Count
)
