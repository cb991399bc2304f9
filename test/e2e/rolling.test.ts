/** A short round of the soak of the same name: no time is asserted, only that no call fails that need not. */
import { equal, ok } from 'uvu/assert'
import { rolling } from '../soak/rolling.ts'
import { test } from '../kit.ts'

test('no call fails while a function is redeployed, scaled up and down and one of its processes is killed', async () => {
  const report = await rolling({
    bundle: 'hello', ratePerSecond: 200, seconds: 9, redeploys: 2, replicas: 3, killEverySeconds: 4,
  })
  equal(report.unexplained, {})
  equal(report.get.good + report.get.failed, 900)
  equal(report.post.good + report.post.failed, 900)
  equal(report.kills, 2)
  ok(report.isSettled, 'one replica of the last version runs in the end')
})
