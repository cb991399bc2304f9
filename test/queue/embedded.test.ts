import { CONTRACT_MAX_MESSAGES, queueContract } from './contract.ts'
import { openEmbedded } from './world.ts'

queueContract(() => openEmbedded({ limits: { maxMessages: CONTRACT_MAX_MESSAGES } }))
