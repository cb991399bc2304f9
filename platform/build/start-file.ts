/** Prints the file that starts the platform in its image, for platform/Dockerfile: `node start-file.ts RELEASE REVISION`. */
import { startText } from '../image/platform-image.ts'

const [release = 'unknown', sha = 'unknown'] = process.argv.slice(2)
process.stdout.write(startText({ release, sha }))
