/** The cache service: bytes for a while, over HTTP. */
import { hostname } from 'node:os'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { addMetrics } from '@bramble/runtime/service/metrics'
import { serviceToken } from '@bramble/runtime/service/token'
import { cacheMetrics } from './cache-metrics.ts'
import { createCacheService } from './cache-service.ts'
import { createLeases } from './leases.ts'
import { createMemoryStore } from './memory-store.ts'
import { readSettings } from './settings.ts'

// By so much the heap may grow before all of it is collected. V8 would let it double, for nothing: most of it are entries, which stay.
// 64 MiB of entries of 1 KB: 127 MB at most instead of 247.
setFlagsFromString('--heap-growing-percent=20')

const nowMs = (): number => performance.now()
/** Of the container, where there is one: V8's own may be larger. */
const containerBytes = process.constrainedMemory() || Infinity
const settings = readSettings(process.env, Math.min(getHeapStatistics().heap_size_limit, containerBytes))
const store = createMemoryStore({ limitBytes: settings.maxMemoryBytes, nowMs })
const leases = createLeases({ nowMs })
addMetrics(() => cacheMetrics(store.stats(), leases))

export default createCacheService({ store, leases, settings, serviceToken: serviceToken(), replica: `${hostname()}-${process.pid}`, nowMs })
