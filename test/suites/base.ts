/** The tests of what every layer uses, and of what belongs to none. */
import { runSuite } from '../fixtures/suite.ts'

await runSuite(['test', 'test/links', 'test/chat'])
