/** The tests of conversations. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test/chat'])
