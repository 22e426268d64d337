package nodetest

// ChannelMutexes is channelMutexes.
const ChannelMutexes = channelMutexes
