/** The tests of the wire. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/protocol'])
