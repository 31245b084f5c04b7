// npm install @aws-sdk/client-sqs
import { randomUUID } from "node:crypto";
import { SQS } from "@aws-sdk/client-sqs";

const sqs = new SQS({ useQueueUrlAsEndpoint: false }); // so that AWS_ENDPOINT_URL holds
const { QueueUrl: requests } = await sqs.getQueueUrl({ QueueName: "lab2" });
const { QueueUrl } = await sqs.getQueueUrl({ QueueName: "lab2_1" });
const own = { id: randomUUID(), client: `example-${randomUUID()}` };
const text = (StringValue) => ({ DataType: "String", StringValue });
const MessageAttributes = { id: text(own.id), client: text(own.client) };
await sqs.sendMessage({ QueueUrl: requests, MessageBody: "[3, 5.5, 8]", MessageAttributes });

let answered = false;
while (!answered) {
  const reply = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 20, MessageAttributeNames: ["All"] });
  for (const { Body, MessageAttributes, ReceiptHandle } of reply.Messages ?? []) {
    if (MessageAttributes?.client?.StringValue !== own.client) {
      await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle, VisibilityTimeout: 1 });
      continue;
    }
    const answer = JSON.parse(Body);
    if (answer.id === own.id) {
      console.log(answer.mean, answer.median, answer.max, answer.min);
      answered = true;
    }
    await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
  }
}
