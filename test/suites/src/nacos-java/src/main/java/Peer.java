import com.alibaba.nacos.api.NacosFactory;
import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;

/** A Java client of Nacos: reads commands, one on a line with fields by tabs, and writes what it sees in the same form. */
public class Peer {
    private static final String GROUP = "DEFAULT_GROUP";

    private static synchronized void say(String... fields) {
        System.out.println(String.join("\t", fields).replace("\n", "\\n"));
        System.out.flush();
    }

    private static String describe(List<Instance> instances) {
        return instances.stream()
            .map(one -> one.getIp() + ":" + one.getPort() + " " + one.getWeight() + " " + one.isHealthy() + " "
                + one.getMetadata().getOrDefault("version", "-"))
            .sorted().collect(Collectors.joining(", "));
    }

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("serverAddr", args[0]);
        properties.put("namespace", args[1]);
        NamingService naming = NacosFactory.createNamingService(properties);
        ConfigService config = NacosFactory.createConfigService(properties);
        say("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] fields = line.split("\t", -1);
            try {
                say("done", run(naming, config, fields));
            } catch (Exception error) {
                say("failed", String.valueOf(error.getMessage()));
            }
        }
        naming.shutDown();
        config.shutDown();
        System.exit(0);
    }

    private static String run(NamingService naming, ConfigService config, String[] fields) throws Exception {
        switch (fields[0]) {
            case "register": {
                Instance instance = new Instance();
                instance.setIp(fields[2]);
                instance.setPort(Integer.parseInt(fields[3]));
                instance.setWeight(2.5);
                instance.setMetadata(Map.of("version", "java"));
                naming.registerInstance(fields[1], GROUP, instance);
                return "";
            }
            case "deregister":
                naming.deregisterInstance(fields[1], GROUP, fields[2], Integer.parseInt(fields[3]));
                return "";
            case "list":
                return describe(naming.getAllInstances(fields[1], GROUP, false));
            case "subscribe":
                naming.subscribe(fields[1], GROUP, event -> say("service", describe(((NamingEvent) event).getInstances())));
                return "";
            case "publish":
                return String.valueOf(config.publishConfig(fields[1], GROUP, fields[2]));
            case "cas":
                return String.valueOf(config.publishConfigCas(fields[1], GROUP, fields[2], fields[3]));
            case "read":
                return String.valueOf(config.getConfig(fields[1], GROUP, 3000));
            case "listen":
                config.addListener(fields[1], GROUP, new AbstractListener() {
                    @Override
                    public void receiveConfigInfo(String content) {
                        say("text", content);
                    }
                });
                return "";
            default:
                throw new IllegalArgumentException(fields[0]);
        }
    }
}
